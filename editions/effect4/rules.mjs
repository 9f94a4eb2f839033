/**
 * The differences between Effect 3 and Effect 4 that concern this library.
 */
import ts from "typescript"

/** Modules that moved. Their namespace import is named after the last part. */
export const modules = {
  "effect/Either": "effect/Result",
  "effect/TestClock": "effect/testing/TestClock",
  "effect/ConfigError": "effect/Config",
  "@effect/platform/Cookies": "effect/http/Cookies",
  "@effect/platform/FetchHttpClient": "effect/http/FetchHttpClient",
  "@effect/platform/FileSystem": "effect/FileSystem",
  "@effect/platform/Headers": "effect/http/Headers",
  "@effect/platform/HttpApi": "effect/http-api/HttpApi",
  "@effect/platform/HttpApiBuilder": "effect/http-api/HttpApiBuilder",
  "@effect/platform/HttpApiEndpoint": "effect/http-api/HttpApiEndpoint",
  "@effect/platform/HttpApiGroup": "effect/http-api/HttpApiGroup",
  "@effect/platform/HttpApiMiddleware": "effect/http-api/HttpApiMiddleware",
  "@effect/platform/HttpApiSchema": "effect/http-api/HttpApiSchema",
  "@effect/platform/HttpApp": "effect/http/HttpEffect",
  "@effect/platform/HttpBody": "effect/http/HttpBody",
  "@effect/platform/HttpClient": "effect/http/HttpClient",
  "@effect/platform/HttpClientError": "effect/http/HttpClientError",
  "@effect/platform/HttpClientRequest": "effect/http/HttpClientRequest",
  "@effect/platform/HttpClientResponse": "effect/http/HttpClientResponse",
  "@effect/platform/HttpIncomingMessage": "effect/http/HttpIncomingMessage",
  "@effect/platform/HttpServer": "effect/http/HttpServer",
  "@effect/platform/HttpServerRequest": "effect/http/HttpServerRequest",
  "@effect/platform/HttpServerResponse": "effect/http/HttpServerResponse",
  "@effect/platform/KeyValueStore": "effect/persistence/KeyValueStore",
  "@effect/platform/Path": "effect/Path",
  "@effect/platform/UrlParams": "effect/http/UrlParams",
  "@effect/opentelemetry/Otlp": "effect/observability/Otlp"
}

/** Renamed members, keyed by module. A member that moved to another module is written as `effect/Module#name`. */
export const members = {
  "@effect/platform-node/NodeHttpClient": {
    layer: "layerNodeHttp",
    layerWithoutAgent: "layerNodeHttpNoAgent",
    makeAgentLayer: "layerAgentOptions"
  },
  "effect/Cause": {
    failureOption: "findErrorOption",
    isInterruptedOnly: "hasInterruptsOnly",
    dieOption: "test/support/Effect4#dieOption",
    isDie: "hasDies",
    isInterrupted: "hasInterrupts",
    parallel: "combine",
    sequential: "combine"
  },
  "effect/Chunk": { unsafeFromArray: "fromArrayUnsafe", unsafeHead: "headUnsafe" },
  "effect/Config": {
    boolean: "Boolean",
    duration: "Duration",
    mapOrFail: "mapEffect",
    nonEmptyString: "NonEmptyString",
    redacted: "Redacted",
    string: "String"
  },
  "effect/Context": { unsafeGet: "getUnsafe" },
  "effect/DateTime": { unsafeMake: "makeUnsafe" },
  "effect/Deferred": { unsafeDone: "doneUnsafe", unsafeMake: "makeUnsafe" },
  "effect/Duration": {
    DurationInput: "Input",
    decode: "fromInputUnsafe",
    decodeUnknown: "fromInput",
    greaterThan: "isGreaterThan",
    greaterThanOrEqualTo: "isGreaterThanOrEqualTo"
  },
  "effect/Effect": {
    "Effect.Context": "Services",
    "Effect.Error": "Error",
    "Effect.Success": "Success",
    async: "callback",
    catchAll: "catch",
    catchAllCause: "catchCause",
    catchAllDefect: "catchDefect",
    clock: "effect/Clock#Clock",
    either: "result",
    fork: "forkChild",
    forkDaemon: "forkDetach",
    makeLatch: "effect/Latch#make",
    makeSemaphore: "effect/Semaphore#make",
    merge: "test/support/Effect4#merge",
    supervised: "test/support/Effect4#supervised",
    mapInputContext: "updateContext",
    tapErrorCause: "tapCause",
    timeoutFail: "timeoutOrElse",
    unsafeMakeLatch: "effect/Latch#makeUnsafe",
    unsafeMakeSemaphore: "effect/Semaphore#makeUnsafe",
    whenEffect: "when",
    withFiberRuntime: "withFiber",
    zipLeft: "tap",
    zipRight: "andThen",
    once: "cached"
  },
  "effect/Either": {
    Either: "Result",
    getLeft: "getFailure",
    getRight: "getSuccess",
    isLeft: "isFailure",
    isRight: "isSuccess",
    left: "fail",
    mapLeft: "mapError",
    right: "succeed"
  },
  "effect/Encoding": {
    decodeBase64: "effect/encoding/Base64#decode",
    decodeBase64String: "effect/encoding/Base64#decodeString",
    decodeBase64UrlString: "effect/encoding/Base64Url#decodeString",
    encodeBase64: "effect/encoding/Base64#encode",
    encodeBase64Url: "effect/encoding/Base64Url#encode"
  },
  "effect/Equal": { equivalence: "asEquivalence" },
  "effect/Exit": { isInterrupted: "hasInterrupts" },
  "effect/ConfigProvider": {
    fromMap: "test/support/Effect4#fromMap",
    mapInputPath: "test/support/Effect4#mapInputPath"
  },
  "effect/Fiber": { RuntimeFiber: "Fiber", all: "joinAll", poll: "test/support/Effect4#poll" },
  "effect/Layer": {
    map: "test/support/Effect4#mapLayer",
    scoped: "effect",
    scopedContext: "effectContext",
    scopedDiscard: "effectDiscard",
    unwrapEffect: "unwrap",
    unwrapScoped: "unwrap"
  },
  "effect/Logger": { jsonLogger: "formatJson", logfmtLogger: "formatLogFmt", stringLogger: "formatSimple" },
  "effect/Metric": {
    "Metric.Counter": "Counter",
    "Metric.Gauge": "Gauge",
    "Metric.Histogram": "Histogram"
  },
  "effect/Option": { fromNullable: "fromNullishOr" },
  "effect/Random": {
    fixed: "test/support/Effect4#fixed",
    make: "test/support/Effect4#seeded",
    nextRange: "nextBetween"
  },
  "effect/Supervisor": { track: "test/support/Effect4#track" },
  "effect/TestClock": { sleeps: "test/support/vitest#sleeps" },
  "effect/Schema": {
    DateTimeUtc: "DateTimeUtcFromString",
    DurationFromSelf: "Duration",
    NonNegativeInt: "Natural",
    RedactedFromSelf: "Redacted",
    annotations: "annotate",
    decodeEither: "decodeResult",
    decodeUnknown: "decodeUnknownEffect",
    decodeUnknownEither: "decodeUnknownResult",
    encodeEither: "encodeResult",
    equivalence: "toEquivalence",
    parseJson: "fromJsonString",
    transform: "test/support/Effect4#transform",
    transformOrFail: "test/support/Effect4#transformOrFail"
  },
  "effect/Scope": { CloseableScope: "Closeable", extend: "provide" },
  "effect/Equivalence": { string: "String" },
  "effect/Record": { getEquivalence: "makeEquivalence" },
  "effect/Stream": {
    catchAll: "catch",
    flattenIterables: "flattenIterable",
    repeatEffect: "fromEffectRepeat",
    unwrapScoped: "unwrap"
  }
}

/** Renamed options. */
export const optionNames = {
  disableValidation: "disableChecks",
  unsafeCurrentTimeMillis: "currentTimeMillisUnsafe",
  unsafeCurrentTimeNanos: "currentTimeNanosUnsafe"
}

/** Renamed properties: always, or only on values of some type. */
export const properties = [
  ...Object.entries({
    epochMillis: "epochMilliseconds",
    currentContext: "context",
    unsafeClose: "closeUnsafe",
    unsafeCurrentTimeMillis: "currentTimeMillisUnsafe",
    unsafeCurrentTimeNanos: "currentTimeNanosUnsafe",
    unsafeModify: "modifyUnsafe",
    unsafeOpen: "openUnsafe",
    unsafePoll: "pollUnsafe",
    unsafeUpdate: "updateUnsafe"
  }).map(([from, to]) => ({ from, to, holds: () => true })),
  ...Object.entries({ scoped: "effect", scopedLive: "live" }).map(([from, to]) => ({
    from,
    to,
    // in the @effect/vitest for Effect 4, every test has a Scope
    holds: (node) => node.expression.getText() === "it"
  })),
  ...Object.entries({ left: "failure", right: "success" }).map(([from, to]) => ({
    from,
    to,
    holds: (node, { checker, kindOf }) => kindOf(checker.getTypeAtLocation(node.expression)) === "Either"
  }))
]

const call = (callee, args) => `${callee}(${args.join(", ")})`

const printArguments = (node, { print }) => node.arguments.map(print)

/** Prints an object literal with some of its properties renamed. */
const withNames = (literal, names, { print }) =>
  `{ ${literal.properties
    .map((property) => {
      const name = property.name.getText()
      const to = names[name] ?? name
      return ts.isPropertyAssignment(property) ? `${to}: ${print(property.initializer)}` : print(property)
    })
    .join(", ")} }`

/** A function whose last argument is an object literal with properties that are renamed in Effect 4. */
const options = (names, to) => (node, tools) => {
  const last = node.arguments.at(-1)
  return last !== undefined && ts.isObjectLiteralExpression(last)
    ? call(tools.effect(...to), [...node.arguments.slice(0, -1).map(tools.print), withNames(last, names, tools)])
    : undefined
}

const isReferenceClass = (type) =>
  type.symbol?.declarations?.some(
    (declaration) =>
      ts.isClassDeclaration(declaration) &&
      declaration.heritageClauses?.some((clause) => /^extends Context\.Reference\b/.test(clause.getText()))
  ) === true

const withoutReferences = (node, { checker, print }) => {
  const parts = ts.isUnionTypeNode(node) ? node.types : [node]
  const kept = parts.filter((part) => !isReferenceClass(checker.getTypeFromTypeNode(part)))
  return kept.length === parts.length ? print(node) : kept.length === 0 ? "never" : kept.map(print).join(" | ")
}

const propertyOf = (literal, name) => literal.properties.find((property) => property.name?.getText() === name)

/** Renamed tags, in comparisons. */
export const tags = { Left: "Failure", Right: "Success" }

/** Object literals, recognized by their shape. */
export const objects = [
  // an Either that a test expects
  (node, { print }) => {
    const [first, ...others] = node.properties.filter((property) => property.name?.getText() !== "_tag")
    const to = { left: "failure", right: "success" }[first?.name?.getText()]
    return to !== undefined &&
      others.length === 0 &&
      ts.isPropertyAssignment(first) &&
      ts.isObjectLiteralExpression(first.initializer)
      ? `{ ${node.properties
          .map((property) => (property === first ? `${to}: ${print(first.initializer)}` : print(property)))
          .join(", ")} }`
      : undefined
  },
  // a Clock, which also has a monotonic time in Effect 4
  (node, { print }) => {
    const nanos = propertyOf(node, "unsafeCurrentTimeNanos")
    const effect = propertyOf(node, "currentTimeNanos")
    if (nanos === undefined || effect === undefined) {
      return undefined
    }
    const printed = node.properties
      .filter((property) => !ts.isSpreadAssignment(property) && !ts.isComputedPropertyName(property.name))
      .map(print)
    const monotonic = [
      `monotonicTimeNanosUnsafe: ${print(nanos.initializer).replace(/currentTimeNanosUnsafe/, "monotonicTimeNanosUnsafe")}`,
      `monotonicTimeNanos: ${print(effect.initializer).replace(/currentTimeNanos/, "monotonicTimeNanos")}`
    ]
    return `{ ${[...monotonic, ...printed].join(",\n")} }`
  }
]

const typeArguments = (node, print) =>
  node.typeArguments === undefined ? "" : `<${node.typeArguments.map(print).join(", ")}>`

const type =
  (module, name) =>
  (node, { print, use }) =>
    `${use(module, false)}.${name}${typeArguments(node, print)}`

/** Types, keyed by the member of Effect 3 that they refer to. */
export const types = {
  "effect/TestServices#TestServices": () => "never",
  "effect/Config#Config.Wrap": type("effect/Config", "Wrap"),
  "effect/Context#Tag": type("effect/Context", "Service"),
  "effect/ConfigError#ConfigError": type("effect/Config", "ConfigError"),
  "effect/Metric#Metric.Counter": type("effect/Metric", "Counter"),
  "effect/Metric#Metric.Gauge": type("effect/Metric", "Gauge"),
  "effect/Metric#Metric.Histogram": type("effect/Metric", "Histogram"),
  // References always have a value, so layers do not provide them
  "effect/Layer#Layer": (node, tools) =>
    node.typeArguments === undefined
      ? undefined
      : `${tools.use("effect/Layer", false)}.Layer<${node.typeArguments.map((it) => withoutReferences(it, tools)).join(", ")}>`,
  "effect/Schema#Schema": (node, tools) =>
    node.typeArguments?.length > 1 ? type("effect/Schema", "Codec")(node, tools) : undefined
}

const provideService =
  (...service) =>
  (node, tools) => {
    const args = printArguments(node, tools)
    return call(tools.effect("Effect", "provideService"), [...args.slice(0, -1), tools.effect(...service), args.at(-1)])
  }

const negated = (printed, tools) => `${tools.effect("Effect", "map")}(${printed}, (it) => !it)`

/** Calls, keyed by the member of Effect 3 that is called: `f()` for `f(…)(…)`, `f!` for any use of the member. */
export const calls = {
  "effect/Config#literal()": (node, tools) => {
    const words = node.expression.arguments.map(tools.print).join(", ")
    return `${tools.effect("Config", "Literals")}([${words}], ${printArguments(node, tools).join(", ")})`
  },
  "effect/Context#Tag()": (node, tools) =>
    `${tools.effect("Context", "Service")}${typeArguments(node, tools.print)}()(${printArguments(node.expression, tools).join(", ")})`,
  "effect/Context#Reference()": (node, tools) => {
    const property = node.arguments[1].properties.find(({ name }) => name?.getText() === "defaultValue")
    return `${tools.effect("Context", "Reference")}<${tools.print(property.initializer.type)}>(${printArguments(node, tools).join(", ")})`
  },
  "effect/Deferred#unsafeMake": (node, tools) =>
    `${tools.effect("Deferred", "makeUnsafe")}${typeArguments(node, tools.print)}()`,
  "effect/Effect#timeoutFail": (node, tools) => {
    const last = node.arguments.at(-1)
    const printed = last.properties.map((property) =>
      property.name.getText() === "onTimeout"
        ? `orElse: () => ${tools.effect("Effect", "fail")}(${tools.print(property.initializer.body)})`
        : tools.print(property)
    )
    return call(tools.effect("Effect", "timeoutOrElse"), [
      ...node.arguments.slice(0, -1).map(tools.print),
      `{ ${printed.join(", ")} }`
    ])
  },
  // the function does not return an effect
  "effect/Effect#contextWith": (node, tools) =>
    `${tools.effect("Effect", "map")}(${tools.effect("Effect", "context")}(), ${printArguments(node, tools).join(", ")})`,
  "effect/Effect#flatten": (node, tools) => {
    const outer = tools.checker.getTypeAtLocation(node.arguments[0])
    const [inner] = outer.aliasTypeArguments ?? tools.checker.getTypeArguments(outer)
    return inner !== undefined && tools.kindOf(inner) === "Either"
      ? `${tools.effect("Effect", "flatMap")}(${printArguments(node, tools)[0]}, ${tools.effect("Effect", "fromResult")})`
      : undefined
  },
  "effect/Fiber#join": (node, tools) => {
    const [fiber] = node.arguments
    return ts.isCallExpression(fiber) && tools.memberOf(fiber.expression) === "effect/Fiber#all"
      ? tools.print(fiber)
      : undefined
  },
  "effect/Effect#flatten!": (node, { checker, effect, kindOf }) => {
    const signature = ts.isCallExpression(node.parent) && checker.getContextualType(node)?.getCallSignatures()[0]
    const parameter = signature ? signature.parameters[0] : undefined
    const outer = parameter && checker.getTypeOfSymbolAtLocation(parameter, node)
    const [inner] = (outer && (outer.aliasTypeArguments ?? checker.getTypeArguments(outer))) || []
    return inner !== undefined && kindOf(inner) === "Either"
      ? `${effect("Effect", "flatMap")}(${effect("Effect", "fromResult")})`
      : undefined
  },
  "effect/Effect#withSpan": (node, tools) => {
    const [name, options] = node.arguments
    if (!ts.isStringLiteralLike(name) || options === undefined || !ts.isObjectLiteralExpression(options)) {
      return undefined
    }
    const isTrace = (property) => property.name.getText() === "captureStackTrace"
    const list = (properties) => (properties.length === 0 ? "{}" : `{ ${properties.map(tools.print).join(", ")} }`)
    return options.properties.some(isTrace)
      ? call(tools.effect("Effect", "withSpan"), [
          tools.print(name),
          list(options.properties.filter((property) => !isTrace(property))),
          list(options.properties.filter(isTrace))
        ])
      : undefined
  },
  "effect/Duration#decodeUnknown": (node, tools) =>
    `${tools.effect("Duration", "fromInput")}(${printArguments(node, tools)[0]} as ${tools.use("effect/Duration", false)}.Input)`,
  "effect/Schedule#intersect": (node, tools) =>
    node.arguments.length === 2
      ? `${tools.effect("Schedule", "max")}([${printArguments(node, tools).join(", ")}])`
      : undefined,
  "effect/Schedule#modifyDelay": (node, tools) => {
    const modify = node.arguments.at(-1)
    if (!ts.isArrowFunction(modify) || ts.isBlock(modify.body)) {
      return undefined
    }
    const names = modify.parameters.map(({ name }) => name.getText())
    const parameters = ["output", "duration"]
      .map((name, index) => (names[index] === name ? name : `${name}: ${names[index]}`))
      .filter((_, index) => names[index] !== "_")
    return call(tools.effect("Schedule", "modifyDelay"), [
      ...node.arguments.slice(0, -1).map(tools.print),
      `({ ${parameters.sort().join(", ")} }) => ${tools.effect("Effect", "succeed")}(${tools.print(modify.body)})`
    ])
  },
  "effect/Stream#fromQueue": (node, tools) => {
    // what PubSub.subscribe returns
    const type = tools.checker.getTypeAtLocation(node.arguments[0])
    return call(
      tools.effect("Stream", type.symbol?.name === "Dequeue" ? "fromSubscription" : "fromQueue"),
      printArguments(node, tools)
    )
  },
  "effect/Effect#dieMessage": (node, tools) =>
    `${tools.effect("Effect", "die")}(new Error(${printArguments(node, tools).join(", ")}))`,
  "effect/Effect#unlessEffect": (node, tools) => {
    const args = printArguments(node, tools)
    return call(tools.effect("Effect", "when"), [...args.slice(0, -1), negated(args.at(-1), tools)])
  },
  "effect/Effect#when": (node, tools) => {
    const args = printArguments(node, tools)
    return call(tools.effect("Effect", "when"), [
      ...args.slice(0, -1),
      `${tools.effect("Effect", "sync")}(${args.at(-1)})`
    ])
  },
  "effect/Effect#withConfigProvider": provideService("ConfigProvider", "ConfigProvider"),
  "effect/Effect#withClock": provideService("Clock", "Clock"),
  "effect/Effect#withMaxOpsBeforeYield": provideService("Scheduler", "MaxOpsBeforeYield"),
  "effect/Effect#withRandom": provideService("Random", "Random"),
  // a store also lists its keys
  "@effect/platform/KeyValueStore#make": (node, tools) => {
    const printed = node.arguments[0].properties.map(tools.print)
    return `${tools.effect("persistence/KeyValueStore", "make")}({ ${printed.join(", ")}, keys: ${tools.effect("Effect", "succeed")}([]) })`
  },
  "effect/Effect#repeatN": (node, tools) => {
    const args = printArguments(node, tools)
    return call(tools.effect("Effect", "repeat"), [...args.slice(0, -1), `{ times: ${args.at(-1)} }`])
  },
  "effect/Fiber#interrupt": (node, tools) =>
    ts.isYieldExpression(node.parent) && !ts.isExpressionStatement(node.parent.parent)
      ? `${tools.use("test/support/Effect4", true)}.interruptAwait(${printArguments(node, tools)[0]})`
      : undefined,
  "effect/Chunk#of": (node, tools) => `[${printArguments(node, tools).join(", ")}]`,
  "effect/Chunk#size": (node, tools) => `Array.from(${printArguments(node, tools)[0]}).length`,
  "effect/Chunk#some": (node, tools) => {
    const [chunk, predicate] = printArguments(node, tools)
    return `Array.from(${chunk}).some(${predicate})`
  },
  "effect/Chunk#toReadonlyArray": (node, tools) => `Array.from(${printArguments(node, tools)[0]})`,
  "effect/Chunk#unsafeHead": (node, tools) => `${printArguments(node, tools)[0]}[0]`,
  "effect/ConfigError#isMissingData": (node, tools) =>
    `${printArguments(node, tools)[0]} instanceof ${tools.effect("Config", "ConfigError")}`,
  "effect/ConfigError#isConfigError": (node, tools) =>
    `${printArguments(node, tools)[0]} instanceof ${tools.effect("Config", "ConfigError")}`,
  "effect/Logger#replace": (node, tools) => `${tools.effect("Logger", "layer")}([${printArguments(node, tools)[1]}])`,
  "effect/Logger#remove": (_, tools) => `${tools.effect("Logger", "layer")}([])`,
  "effect/Logger#minimumLogLevel": (node, tools) =>
    `${tools.effect("Layer", "succeed")}(${tools.effect("References", "MinimumLogLevel")}, ${printArguments(node, tools)[0]})`,
  "effect/LogLevel#All!": () => '"All"',
  "effect/LogLevel#None!": () => '"None"',
  "effect/LogLevel#Debug!": () => '"Debug"',
  "effect/LogLevel#Info!": () => '"Info"',
  "effect/LogLevel#Warning!": () => '"Warn"',
  "effect/Cause#pretty": (node, tools) => `${tools.effect("Cause", "pretty")}(${printArguments(node, tools)[0]})`,
  "effect/Schedule#stop!": (_, tools) => `${tools.effect("Schedule", "recurs")}(0)`,
  "effect/Schedule#tapOutput": (node, tools) => {
    const tap = node.arguments.at(-1)
    const parameter = tap.parameters[0] === undefined ? "" : `{ output: ${tap.parameters[0].name.getText()} }`
    return `${tools.effect("Schedule", "tap")}((${parameter}) => ${tools.print(tap.body)})`
  },
  "effect/Schedule#tapInput": (node, tools) => {
    const tap = node.arguments.at(-1)
    return `${tools.effect("Schedule", "tap")}(({ input: ${tap.parameters[0].name.getText()} }) => ${tools.print(tap.body)})`
  },
  "effect/Schedule#upTo": (node, tools) =>
    `${tools.effect("Schedule", "upTo")}({ duration: ${printArguments(node, tools).at(-1)} })`,
  "effect/Queue#takeAll": (node, tools) => `${tools.effect("Queue", "clear")}(${printArguments(node, tools)[0]})`,
  "effect/Tracer#make": (node, tools) => {
    const span = propertyOf(node.arguments[0], "span").initializer
    const parameters = span.parameters.map((parameter) => parameter.getText().replace(/^context$/, "annotations"))
    const body = tools.print(span.body).replace(/\bcontext,/, "annotations,")
    return `${tools.effect("Tracer", "make")}({ span: ({ ${parameters.join(", ")} }) => ${ts.isObjectLiteralExpression(span.body) ? `(${body})` : body} })`
  },
  "effect/Chunk#isNonEmpty!": () => "(chunk) => chunk.length > 0",
  "effect/TestContext#TestContext!": (_, tools) => `${tools.use("effect/testing/TestClock", true)}.layer()`,
  "effect/Effect#yieldNow": (_, tools) => tools.effect("Effect", "yieldNow"),
  "effect/Either#getEquivalence": (node, tools) => {
    const of = (name) =>
      tools.print(node.arguments[0].properties.find((property) => property.name.getText() === name).initializer)
    return `${tools.effect("Result", "makeEquivalence")}(${of("right")}, ${of("left")})`
  },
  "effect/Either#match": options({ onLeft: "onFailure", onRight: "onSuccess" }, ["Result", "match"]),
  "effect/Either#mapBoth": options({ onLeft: "onFailure", onRight: "onSuccess" }, ["Result", "mapBoth"]),
  "effect/ExecutionStrategy#sequential!": () => '"sequential"',
  "effect/ExecutionStrategy#parallel!": () => '"parallel"',
  "effect/Schema#Literal": (node, tools) =>
    node.arguments.length > 1
      ? `${tools.effect("Schema", "Literals")}([${printArguments(node, tools).join(", ")}])`
      : undefined,
  "effect/Schema#Union": (node, tools) =>
    `${tools.effect("Schema", "Union")}([${printArguments(node, tools).join(", ")}])`,
  "effect/Schema#Record": (node, tools) => {
    const of = (name) =>
      tools.print(node.arguments[0].properties.find((property) => property.name.getText() === name).initializer)
    return `${tools.effect("Schema", "Record")}(${of("key")}, ${of("value")})`
  },
  "effect/Schema#Defect!": (_, tools) => `${tools.effect("Schema", "Defect")}()`,
  "effect/Stream#void!": (_, tools) => `${tools.effect("Stream", "succeed")}(undefined)`
}

/** Method calls, matched by name only. */
export const methods = {
  // for a running fiber, Effect 3 returns null and Effect 4 undefined
  toBe: (node, { print }) =>
    /unsafePoll\(\)/.test(node.expression.getText()) && node.arguments[0].kind === ts.SyntaxKind.NullKeyword
      ? `${print(node.expression.expression)}.toBeUndefined()`
      : undefined,
  toBeNull: (node, { print }) =>
    /unsafePoll\(\)/.test(node.expression.getText())
      ? `${print(node.expression.expression)}.toBeUndefined()`
      : undefined,
  // the method of a Tracer
  span: (node, { print }) =>
    node.arguments.some(ts.isSpreadElement)
      ? `${print(node.expression)}({ ${node.arguments.map(print).join(", ")} })`
      : undefined,
  // the method of a Queue
  unsafeOffer: (node, tools) =>
    `${tools.effect("Queue", "offerUnsafe")}(${tools.print(node.expression.expression)}, ${printArguments(node, tools).join(", ")})`,
  // interruptUnsafe does not take the id of the interrupting fiber
  unsafeInterruptAsFork: (node, tools) => `${tools.print(node.expression.expression)}.interruptUnsafe()`
}

/** Members in comments and pages: `Either.right` for a module that moved, `Effect.catchAll` for another name. */
const mentioned = Object.entries(members).flatMap(([module, names]) => {
  const namespace = (path) => path.slice(path.lastIndexOf("/") + 1)
  return Object.entries(names)
    .filter(([, to]) => !to.startsWith("test/"))
    .map(([from, to]) => {
      const [toModule, toName] = to.includes("#") ? to.split("#") : [modules[module] ?? module, to]
      return [
        new RegExp(`\\b${namespace(module)}\\.${from.replace(".", "\\.")}\\b`, "g"),
        `${namespace(toModule)}.${toName}`
      ]
    })
})

/** Names in comments and pages that differ in Effect 4. */
export const prose = [
  ...mentioned,
  // the version in a remark on why an Effect API is not used, which also holds for Effect 4
  [/ \(Effect 3\.22\)/g, ""],
  [/\bEither\.(?=[a-z])/g, "Result."],
  [/\b([Aa])n `Either`/g, "$1 `Result`"],
  [/\ban Either\b/g, "a Result"],
  [/`Either`/g, "`Result`"],
  [/`DurationInput`/g, "`Duration.Input`"],
  [/\beffect@3 @effect\/platform@0\.97 @effect\/platform-node@0\.108\b/g, "effect @effect/platform-node"],
  [/\beffect@3 @effect\/platform@0\.97\b/g, "effect"],
  [/\bnpm install flipt-client-effect\b/g, "npm install flipt-client-effect@effect4"]
]

/** Passages of pages that differ for Effect 4. Each must occur in its page. */
export const passages = {
  "docs/getting-started.md": [
    [
      `The versions are pinned because the latest ones are for Effect 4. Use \`effect/Schema\` for schemas; the older package
\`@effect/schema\` does not work with Effect 3.10 and later. The client is ESM; on Node 20.19 and later, \`require\` loads it
too.`,
      "You need Node 22.19 or later. The client is ESM; `require` loads it too."
    ]
  ],
  "docs/README.md": [
    [
      "one process fetches from Flipt, and all others read its state from Redis",
      "one process fetches from Flipt, and all others read its state from Redis, with a package for Effect 3"
    ]
  ],
  "docs/configuration.md": [
    [
      "Layers of `@flipt-client-effect/redis`, see [fleets](fleet.md):",
      "Layers of `@flipt-client-effect/redis`, which exists for Effect 3 only, see [fleets](fleet.md):"
    ]
  ],
  "docs/flags.md": [
    [
      `\`\`\`ts
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"

class User extends HttpApiMiddleware.Tag<User>()("User", { provides: Flag.Entity }) {}

class OneState extends HttpApiMiddleware.Tag<OneState>()("OneState", { provides: FliptClient.FliptClient }) {}

const UserLive = Layer.succeed(
  User,
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => ({ entityId: headers["x-user-id"] ?? "nobody" }))
)

const OneStateLive = Layer.effect(
  OneState,
  Effect.map(FliptClient.FliptClient, (client) => client.pinned)
)
\`\`\``,
      `\`\`\`ts
import * as Effect from "effect/Effect"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Flag from "flipt-client-effect/Flag"
import * as FliptClient from "flipt-client-effect/FliptClient"

class User extends HttpApiMiddleware.Service<User, { provides: Flag.Entity }>()("User") {}

class OneState extends HttpApiMiddleware.Service<OneState, { provides: FliptClient.FliptClient }>()("OneState") {}

const UserLive = Layer.succeed(User, (response) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
    Effect.provideService(response, Flag.Entity, { entityId: headers["x-user-id"] ?? "nobody" })
  )
)

const OneStateLive = Layer.effect(
  OneState,
  Effect.map(FliptClient.FliptClient, (client) => (response) =>
    Effect.provideServiceEffect(response, FliptClient.FliptClient, client.pinned)
  )
)
\`\`\``
    ],
    [
      "The message of a `DecodeError` quotes up to 500 characters of the attachment.",
      "The message of a `DecodeError` says what was expected and where in the attachment, cut to 500 characters."
    ],
    [
      "[examples/http-server.ts](../examples/http-server.ts) shows all of this, with telemetry and a graceful shutdown.",
      `[examples/http-server.ts](../examples/http-server.ts) shows all of this with Effect 3, with telemetry and a graceful
shutdown.`
    ]
  ],
  "docs/updates.md": [
    [
      "With many processes, put a relay over Redis between them and Flipt: [fleets](fleet.md).",
      "With many processes of Effect 3, put a relay over Redis between them and Flipt: [fleets](fleet.md)."
    ]
  ],
  "docs/workers.md": [["or use a [relay](fleet.md).", "or, with Effect 3, use a [relay](fleet.md)."]],
  "README.md": [
    [
      "## Companion packages\n",
      "## Companion packages\n\nThe OpenFeature provider and the command line bring their own Effect. The others exist for Effect 3 only.\n"
    ],
    [
      "[examples/http-server.ts](examples/http-server.ts) is a complete service.",
      "[examples/http-server.ts](examples/http-server.ts) is a complete service, with Effect 3."
    ],
    [
      `Pin the versions: this release is for Effect 3 and Node 20.19 or later. There is [a release line for Effect
4](docs/effect4.md) too. The`,
      `This release is for Effect 4 and Node 22.19 or later; there is [a release line for Effect 3](docs/effect4.md) too. The`
    ]
  ]
}
