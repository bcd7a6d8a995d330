/**
 * Shell script that runs "$@" with only the system's programs, read-only, and an empty /tmp. `unshare` starts it in
 * new namespaces. $1: an empty folder for the new root; $2: the interpreter's folder; the rest: the command.
 *
 * Mounts come first, since they need privileges that are then dropped for good: no capability remains or can return,
 * and no new namespace can provide one.
 */
export const isolate = `
set -eu
root=$1; prefix=$2; shift 2
mount -t tmpfs -o size=64m,mode=755 none "$root"
mkdir "$root/tmp" "$root/proc" "$root/dev"
for folder in /usr /bin /lib /lib64 "$prefix"; do
  if [ -L "$folder" ]; then ln -s "$(readlink "$folder")" "$root$folder"
  elif [ -d "$folder" ] && [ ! -d "$root$folder" ]; then
    mkdir -p "$root$folder"
    mount --rbind "$folder" "$root$folder"
    mount -o remount,bind,ro,nosuid,nodev "$root$folder"
  fi
done
mount -t proc none "$root/proc"
echo 0 > "$root/proc/sys/user/max_user_namespaces"
mount -o remount,ro,nosuid,nodev,noexec none "$root/proc"
touch "$root/dev/null"
mount --bind /dev/null "$root/dev/null"
mount -o remount,ro,size=1m,mode=755 none "$root"
mount -t tmpfs -o size=16m,nosuid,nodev none "$root/tmp"
exec prlimit --as=1073741824 --cpu=5 --fsize=16777216 --core=0 --nofile=64 --nproc=16 \\
  chroot "$root" setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
`;
