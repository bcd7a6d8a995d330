/** Lower triangle L [n, n] of a symmetric positive definite matrix A [n, n] with A = L·Lᵀ; above its diagonal it is 0. @throws Error if A is not positive definite */
export function cholesky(a: Float64Array, n: number): Float64Array {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= l[i * n + k]! * l[j * n + k]!;
      if (i === j && !(sum > 0)) throw new Error(`cholesky: the matrix is not positive definite at row ${i}`);
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j]!;
    }
  return l;
}

/** Solves L·Lᵀ·x = b for x, in place of `b`, which has n numbers. */
export function solveCholesky(l: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let k = 0; k < i; k++) sum -= l[i * n + k]! * b[k]!;
    b[i] = sum / l[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    b[i]! /= l[i * n + i]!;
    const x = b[i]!;
    for (let k = 0; k < i; k++) b[k]! -= l[i * n + k]! * x;
  }
}
