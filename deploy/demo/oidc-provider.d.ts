// The part of oidc-provider that the demo uses: the package ships no types of its own.
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  export interface Context {
    body: unknown
    type: string
    status: number
    readonly host: string
    readonly oidc: {
      readonly client?: { readonly clientId: string }
      readonly params?: Readonly<Record<string, unknown>>
      readonly result?: { readonly consent?: { readonly grantId?: string } }
      readonly session?: {
        readonly accountId?: string
        readonly acr?: string
        grantIdFor(clientID: string): string | undefined
      }
    }
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  export interface Interaction {
    readonly uid: string
    readonly prompt: { readonly name: string }
    readonly params: Readonly<Record<string, unknown>>
  }

  export default class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    readonly Grant: {
      new (properties: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    callback(): (request: IncomingMessage, response: ServerResponse) => void
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: Readonly<Record<string, unknown>>,
      options?: { mergeWithLastSubmission?: boolean },
    ): Promise<void>
    on(event: string, listener: (context: Context, ...rest: unknown[]) => void): this
  }

  export const interactionPolicy: {
    readonly Prompt: new (properties: { name: string; requestable: boolean }) => object
    /** `asks`: the person is to interact. */
    readonly Check: new (reason: string, description: string, asks: (context: Context) => boolean) => object
    base(): {
      add(prompt: object, index?: number): void
      get(name: string): { readonly checks: { add(check: object): void } } | undefined
    }
  }
}
