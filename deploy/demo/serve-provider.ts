// The demo's provider on its own, for docker-compose.yml.
import { startDemoProvider } from './provider.ts'

const { ISSUER: issuer, APPLICATION_ORIGIN: origin, CLIENT_SECRET: clientSecret } = process.env
if (!issuer || !origin || !clientSecret) {
  console.error('ISSUER, APPLICATION_ORIGIN and CLIENT_SECRET must be set')
  process.exit(2)
}
const provider = await startDemoProvider({
  port: 9400,
  applicationOrigins: [origin],
  published: { issuer, bind: '0.0.0.0', clientSecret },
})
console.log(`demo provider: ${provider.issuer}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void provider.stop())
