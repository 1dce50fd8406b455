// The little of autocannon that the bench uses; the package has no types of its own.
declare module 'autocannon' {
  interface Options {
    url: string
    connections: number
    amount: number
    headers: Record<string, string>
  }
  interface Result {
    non2xx: number
    errors: number
  }
  export default function autocannon(options: Options): Promise<Result>
}
