/**
 * Asks the main thread from a thread of its own and takes the time from question to answer, so that whatever holds the main thread up is in it.
 * One question at a time, with a pause in between.
 */
import { parentPort } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'

const pauseMilliseconds = 1

const port = parentPort
if (port !== null) {
  const milliseconds: number[] = []
  let running = true
  let answered: () => void = () => undefined
  port.on('message', (message: 'answer' | 'end') => {
    if (message === 'answer') answered()
    else running = false
  })
  while (running) {
    const began = performance.now()
    const answer = new Promise<void>((resolve) => {
      answered = resolve
    })
    port.postMessage('question')
    await answer
    milliseconds.push(performance.now() - began)
    await sleep(pauseMilliseconds)
  }
  port.postMessage(milliseconds)
  port.close()
}
