import * as Context from "effect/Context"
import type { Service } from "../../FliptTest.js"

export class FliptTest extends Context.Tag("flipt-client-effect/FliptTest")<FliptTest, Service>() {}

/**
 * The test client of an isolated effect. The public tag alone is not enough: a service that provides its effects with
 * the context it was built in would bring the layer's test client back.
 */
export class Isolated extends Context.Tag("flipt-client-effect/FliptTest/Isolated")<Isolated, Service>() {}
