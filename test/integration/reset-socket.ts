import type { Socket } from 'node:net'

/**
 * Ends a connection with a reset. Node loses a handle that is reset while its own end is being sent (EINVAL), and a process with such
 * a handle never exits: then the connection is only destroyed.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}
