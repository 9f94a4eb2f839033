// Written after sha256:000298358f61de86 of the same path
/**
 * What a Fetcher and the HttpClient of this library need to know about the HttpClient of Effect.
 */
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"

/** Sends requests without spans. */
export const withoutSpans: <E, R>(client: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R> =
  HttpClient.transformResponse(Effect.provideService(HttpClient.TracerDisabledWhen, () => true))

/** The error of a request that got no response. */
export const noResponse = (
  request: HttpClientRequest.HttpClientRequest,
  cause: unknown
): HttpClientError.HttpClientError =>
  new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })

/** The response that a client such as `HttpClient.filterStatusOk` has turned into an error. */
export const refusedResponse = ({
  reason
}: HttpClientError.HttpClientError): HttpClientResponse.HttpClientResponse | undefined =>
  reason._tag === "StatusCodeError" ? reason.response : undefined

/** What made a request fail. The error itself contains the request with its headers. */
export const causeOf = ({ reason }: HttpClientError.HttpClientError): unknown => reason.cause
