/**
 * What a Fetcher and the HttpClient of this library need to know about the HttpClient of Effect.
 */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"

/** Sends requests without spans. */
export const withoutSpans: <E, R>(client: HttpClient.HttpClient.With<E, R>) => HttpClient.HttpClient.With<E, R> =
  HttpClient.withTracerDisabledWhen(() => true)

/** The error of a request that got no response. */
export const noResponse = (
  request: HttpClientRequest.HttpClientRequest,
  cause: unknown
): HttpClientError.HttpClientError => new HttpClientError.RequestError({ request, reason: "Transport", cause })

/** The response that a client such as `HttpClient.filterStatusOk` has turned into an error. */
export const refusedResponse = (
  error: HttpClientError.HttpClientError
): HttpClientResponse.HttpClientResponse | undefined =>
  error._tag === "ResponseError" && error.reason === "StatusCode" ? error.response : undefined

/** What made a request fail. The error itself contains the request with its headers. */
export const causeOf = (error: HttpClientError.HttpClientError): unknown => error.cause
