// A real MCP client finds its way: it knows the server's address and nothing else. Told by the 401 where the host describes itself
// (RFC 9728), it goes to the authorization server, registers, has alice say yes, and comes back with a token that lets it in.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { after, suite, test } from 'node:test'
import { UnauthorizedError, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { OAuthClientInformationMixed, OAuthTokens } from '@modelcontextprotocol/sdk/shared/auth.js'
import { closeServer, freePort, listenOn } from '../../deploy/demo/listen.ts'
import { startAuthorizationServer } from '../fixtures/authorization-server.ts'
import { startForegate } from '../fixtures/foregate.ts'
import { createHttpClient } from '../fixtures/http-client.ts'

/** An MCP server that knows nothing of logins: it believes the headers of the proxy in front. */
async function startMcpServer() {
  const seen: IncomingHttpHeaders[] = []
  const server = createServer((request, response) => {
    seen.push(request.headers)
    const mcp = new McpServer({ name: 'tools', version: '1.0.0' })
    const user = String(request.headers['x-auth-request-user'])
    mcp.registerTool('whoami', { description: 'Who is asking' }, () => ({ content: [{ type: 'text', text: user }] }))
    const transport = new StreamableHTTPServerTransport({})
    response.on('close', () => void transport.close())
    // The package's own types differ in one optional field, under exactOptionalPropertyTypes.
    void mcp.connect(transport as never).then(() => transport.handleRequest(request, response))
  })
  const url = `http://127.0.0.1:${await listenOn(server)}`
  return { url, seen, close: () => closeServer(server) }
}

/** What a program keeps, and a browser that it opens. */
function aProgram() {
  let client: OAuthClientInformationMixed | undefined
  let tokens: OAuthTokens | undefined
  let verifier = ''
  let sentTo: URL | undefined
  const provider: OAuthClientProvider = {
    redirectUrl: 'http://127.0.0.1:9/callback',
    clientMetadata: {
      client_name: 'an agent',
      redirect_uris: ['http://127.0.0.1:9/callback'],
      token_endpoint_auth_method: 'none',
    },
    state: () => randomUUID(),
    clientInformation: () => client,
    saveClientInformation: (given) => void (client = given),
    tokens: () => tokens,
    saveTokens: (given) => void (tokens = given),
    redirectToAuthorization: (url) => void (sentTo = url),
    saveCodeVerifier: (given) => void (verifier = given),
    codeVerifier: () => verifier,
  }
  return {
    provider,
    get tokens() {
      return tokens
    },
    get sentTo() {
      return sentTo
    },
    /** The browser's way, up to where it would come back to the program: the code. */
    async approve(): Promise<string> {
      const browser = createHttpClient()
      let url = sentTo?.href ?? ''
      for (let hop = 0; hop < 10; hop++) {
        const { headers } = await browser.send(url)
        const next = new URL(headers.location ?? '', url)
        if (next.port === '9') return next.searchParams.get('code') ?? ''
        url = next.href
      }
      throw new Error('no code')
    },
  }
}

suite('an MCP client that knows nothing but the address', async () => {
  const scopes = ['tools', 'admin']
  const [authorizationServer, application, port] = await Promise.all([
    startAuthorizationServer({ scopes }),
    startMcpServer(),
    freePort(),
  ])
  const origin = `http://127.0.0.1:${port}`
  const foregate = await startForegate({
    port,
    config: {
      providerURL: authorizationServer.issuer,
      ...authorizationServer.client,
      bearer: { enabled: true, audiences: [`${origin}/mcp`], passAuthorization: false },
      upstreams: [
        {
          url: application.url,
          rules: [{ path: '/mcp', require: { scopes: ['tools'] } }],
        },
      ],
    },
  })
  after(() => Promise.all([foregate.stop(), application.close(), authorizationServer.close()]))

  const connect = async (program: ReturnType<typeof aProgram>, path = '/mcp') => {
    const transport = new StreamableHTTPClientTransport(new URL(origin + path), { authProvider: program.provider })
    const client = new Client({ name: 'an agent', version: '1.0.0' })
    return { transport, client, connecting: client.connect(transport) }
  }

  test('is led to the authorization server, and in', async () => {
    const program = aProgram()
    const first = await connect(program)
    await assert.rejects(first.connecting, UnauthorizedError)
    assert.equal(application.seen.length, 0)
    assert.equal(program.sentTo?.origin, authorizationServer.issuer)
    assert.equal(program.sentTo?.searchParams.get('resource'), `${origin}/mcp`)
    assert.equal(program.sentTo?.searchParams.get('scope'), 'tools')

    await first.transport.finishAuth(await program.approve())
    const second = await connect(program)
    await second.connecting
    const answer = await second.client.callTool({ name: 'whoami' })
    assert.deepEqual(answer.content, [{ type: 'text', text: 'alice' }])
    await second.client.close()

    // Asked for, and given: the server sees who it is, and no token.
    const { tokens } = program
    assert.ok(tokens !== undefined && application.seen.length > 0)
    for (const headers of application.seen) {
      assert.equal(headers['x-auth-request-user'], 'alice')
      assert.ok(!JSON.stringify(headers).includes(tokens.access_token))
    }
  })

  test('a token of the same server for another resource, or without the scope, gets nobody in', async () => {
    const { clientID, clientSecret } = authorizationServer.client
    const basic = Buffer.from(`${clientID}:${clientSecret}`).toString('base64')
    const statusWith = async (resource: string, scope: string) => {
      const granted = await fetch(`${authorizationServer.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${basic}` },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope }),
      })
      // An answer of the token endpoint (RFC 6749 section 5.1).
      const { access_token: token } = (await granted.json()) as { access_token: string }
      const answer = await fetch(`${origin}/mcp`, { method: 'POST', headers: { authorization: `Bearer ${token}` } })
      return answer.status
    }
    const before = application.seen.length
    assert.equal(await statusWith('https://another.example.com/mcp', 'tools'), 401)
    assert.equal(await statusWith(`${origin}/mcp`, 'admin'), 403)
    assert.equal(application.seen.length, before)
    // It is the resource and the scope that they lacked.
    assert.notEqual(await statusWith(`${origin}/mcp`, 'tools'), 401)
    assert.equal(application.seen.length, before + 1)
  })
})
