/**
 * The requests that are being answered, so that a server that stops can wait for just these. It closes nothing itself.
 */
import type { ServerResponse } from 'node:http'

export class InFlight {
  readonly #responses = new Map<ServerResponse, Promise<void>>()

  /** Remembers a response until its connection is done with it, whichever way. */
  add(response: ServerResponse): void {
    const closed = new Promise<void>((resolve) => {
      response.once('close', () => {
        this.#responses.delete(response)
        resolve()
      })
    })
    this.#responses.set(response, closed)
  }

  get size(): number {
    return this.#responses.size
  }

  /** Resolves once everything that is in flight now is answered; what comes later is not waited for. */
  async settled(): Promise<void> {
    await Promise.all(this.#responses.values())
  }
}
