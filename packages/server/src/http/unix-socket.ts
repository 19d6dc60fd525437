/**
 * The place of a Unix socket: a socket that a killed process left behind gives way, anything else does not.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'

/** Another program listens there, or the path is no socket. `code` as node:net gives it. */
export class SocketTaken extends Error {
  override readonly name = 'SocketTaken'
  readonly code = 'EADDRINUSE'
}

/** Makes way at a path for a socket to listen on. Throws `SocketTaken`. */
export async function freeSocket(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return
  if (!stat.isSocket())
    throw new SocketTaken('There is a file at the path of the Unix socket. Move it away, or name another path.')
  if (await isAnswered(path))
    throw new SocketTaken('Another program listens on this Unix socket. Stop it, or name another path.')
  unlinkSync(path)
}

/** Leaves a socket to its owner alone. */
export function keepToOwner(path: string): void {
  chmodSync(path, 0o600)
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('connect', () => done(true))
    socket.once('error', () => done(false))
  })
}
