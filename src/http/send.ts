// The one way out for an answer of ours: whichever it is, it mends a jar of cookies that is over its budget.
import type { FastifyReply } from 'fastify'
import type { HttpResponse } from './http-response.ts'
import type { RepairCookies } from './cookie-budget.ts'

export type Send = (reply: FastifyReply, answer: HttpResponse) => FastifyReply

export const createSend =
  (repair: RepairCookies): Send =>
  (reply, answer) => {
    void reply.code(answer.status).headers(answer.headers)
    const cookies = [...answer.cookies, ...repair(reply.request.raw.headers, answer.cookies)]
    if (cookies.length > 0) void reply.header('set-cookie', cookies)
    return reply.send(answer.body)
  }
