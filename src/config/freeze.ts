/** Freezes everything reachable, so that no room can change another one's configuration by accident. */
export function deepFreeze<T>(value: T): T {
  // Views on memory (the keys' Buffers) cannot be frozen.
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}
