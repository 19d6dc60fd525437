/** Where random bytes come from. An implementation is a cryptographically secure generator and never fails. */
export interface Random {
  bytes(n: number): Uint8Array
}
