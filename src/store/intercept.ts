// A store around a store: one function sees every call, by the name of its method.
import type { Store } from './store.ts'

export type StoreMethod = keyof Store

export type Interceptor = <Value>(method: StoreMethod, work: () => Promise<Value>) => Promise<Value>

export function intercept(store: Store, around: Interceptor): Store {
  return {
    get: (key, head) => around('get', () => store.get(key, head)),
    set: (key, value, ttlMs, note) => around('set', () => store.set(key, value, ttlMs, note)),
    add: (key, value, ttlMs) => around('add', () => store.add(key, value, ttlMs)),
    replace: (key, value, ttlMs, expectedHead, note) =>
      around('replace', () => store.replace(key, value, ttlMs, expectedHead, note)),
    seed: (key, value, ttlMs, mark, note) => around('seed', () => store.seed(key, value, ttlMs, mark, note)),
    revoke: (key, mark, markValue, ttlMs, note) =>
      around('revoke', () => store.revoke(key, mark, markValue, ttlMs, note)),
    touch: (key, ttlMs) => around('touch', () => store.touch(key, ttlMs)),
    delete: (key, note) => around('delete', () => store.delete(key, note)),
    deleteIf: (key, expected) => around('deleteIf', () => store.deleteIf(key, expected)),
    touchIf: (key, expected, ttlMs) => around('touchIf', () => store.touchIf(key, expected, ttlMs)),
    indexAdd: (key, member, expiresAt) => around('indexAdd', () => store.indexAdd(key, member, expiresAt)),
    indexMembers: (key, now) => around('indexMembers', () => store.indexMembers(key, now)),
    announce: (note) => around('announce', () => store.announce(note)),
  }
}
