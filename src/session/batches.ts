const batchSize = 64

/** One batch after the other, so that thousands of sessions do not ask the store all at once. Rejects with the first that fails. */
export async function inBatches<T>(items: Iterable<T>, task: (item: T) => Promise<unknown>): Promise<void> {
  let batch: Promise<unknown>[] = []
  for (const item of items) {
    batch.push(task(item))
    if (batch.length < batchSize) continue
    await Promise.all(batch)
    batch = []
  }
  await Promise.all(batch)
}
