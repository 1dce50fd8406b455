// A store around a store: one function sees every call, by the name of its method.
import type { Store } from './store.ts'

export type StoreMethod = keyof Store

export type Interceptor = <Value>(method: StoreMethod, work: () => Promise<Value>) => Promise<Value>

export function intercept(store: Store, around: Interceptor): Store {
  return {
    get: (key, head) => around('get', () => store.get(key, head)),
    set: (key, value, ttlMs) => around('set', () => store.set(key, value, ttlMs)),
    add: (key, value, ttlMs, urgency) => around('add', () => store.add(key, value, ttlMs, urgency)),
    compareAndSet: (key, value, ttlMs, expectedHead, note) =>
      around('compareAndSet', () => store.compareAndSet(key, value, ttlMs, expectedHead, note)),
    setUnlessMarked: (key, value, ttlMs, unless, note) =>
      around('setUnlessMarked', () => store.setUnlessMarked(key, value, ttlMs, unless, note)),
    withdraw: (key, mark, floor, ttlMs, note) =>
      around('withdraw', () => store.withdraw(key, mark, floor, ttlMs, note)),
    touch: (key, ttlMs) => around('touch', () => store.touch(key, ttlMs)),
    delete: (key) => around('delete', () => store.delete(key)),
    compareAndDelete: (key, expected) => around('compareAndDelete', () => store.compareAndDelete(key, expected)),
    compareAndTouch: (key, expected, ttlMs) =>
      around('compareAndTouch', () => store.compareAndTouch(key, expected, ttlMs)),
    ttl: (key) => around('ttl', () => store.ttl(key)),
    overwriteHead: (key, head) => around('overwriteHead', () => store.overwriteHead(key, head)),
    addMember: (key, member, expiresAt, now) => around('addMember', () => store.addMember(key, member, expiresAt, now)),
    removeMember: (key, member) => around('removeMember', () => store.removeMember(key, member)),
    members: (key, now, limit, skip) => around('members', () => store.members(key, now, limit, skip)),
    take: (key, rate) => around('take', () => store.take(key, rate)),
  }
}
