// Why a port could not be opened: which option names it, which address it is, and what would be right.
import type { Address } from './config/config.ts'

const remedies: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'the port is in use, by another program or by a process of ours that has not stopped yet (ss -ltnp shows it); stop that one, or set another port',
  EACCES: 'this user may not open it; ports below 1024 are for root or CAP_NET_BIND_SERVICE: set a higher one',
  EADDRNOTAVAIL: 'this machine has no such address; 0.0.0.0 stands for all that it has',
  EAFNOSUPPORT: 'this machine does not speak this kind of address; 0.0.0.0 is IPv4',
  ENOTFOUND: 'the host name does not resolve; write the address itself',
  EAI_AGAIN: 'the host name does not resolve; write the address itself',
}

/** `option`: where the operator wrote the address. The system's error is the cause. */
export function cannotListen(
  option: 'listen' | 'metrics.listen' | 'peers.listen' | 'admin.listen',
  address: Address,
  cause: unknown,
): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return new Error(
    `${option}: cannot listen on ${host}:${address.port} (${code}): ${remedies[code] ?? 'see the cause'}`,
    {
      cause,
    },
  )
}
