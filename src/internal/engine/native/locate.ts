/**
 * Finds the native library: at an explicit path, in the package for this platform, or in the build of a checkout.
 */
import * as Effect from "effect/Effect"
import { EngineError } from "../../../FliptError.js"
import { errorMessage } from "../../util/errorMessage.js"
import { printable } from "../../util/outsideText.js"
import { nativeVersion } from "../../util/version.js"

// Not imported: importing `node:fs` also loads its streams, which takes several milliseconds.
const { existsSync, readdirSync, readFileSync, statSync } = process.getBuiltinModule("node:fs")
const { dirname, join, resolve } = process.getBuiltinModule("node:path")
const { fileURLToPath } = process.getBuiltinModule("node:url")

/** The C library of a Linux system. A library linked against one of them does not load on the other. */
type Libc = "gnu" | "musl"

const SCOPE = "@flipt-client-effect"

/** The package that holds the library for a platform. `scripts/native/platforms.mjs` lists those that are published. */
export const packageName = (platform: string, arch: string, libc: Libc): string =>
  `${SCOPE}/native-${platform}-${arch}${platform === "linux" ? `-${libc}` : ""}`

/** What a Rust `cdylib` of this crate is called on a platform. */
export const fileName = (platform: string): string =>
  platform === "win32"
    ? "flipt_client_effect.dll"
    : platform === "darwin"
      ? "libflipt_client_effect.dylib"
      : "libflipt_client_effect.so"

/**
 * Reads the C library from the memory map of the process; the report of Node that also has it takes 25 ms. Looks for
 * glibc, since musl has other file names in every distribution.
 */
const detectLibc = (): Libc => {
  try {
    return /\/libc(?:\.so\.6|-2\.\d+\.so)$/m.test(readFileSync("/proc/self/maps", "utf8")) ? "gnu" : "musl"
  } catch {
    return "gnu"
  }
}

export const loadError = (message: string, cause?: unknown): EngineError =>
  new EngineError({
    reason: "Load",
    message: `the native engine cannot be loaded: ${message}`,
    ...(cause === undefined ? {} : { cause })
  })

/**
 * This module or the bundle that contains it. In a CommonJS bundle `__filename` comes first: some bundlers put the path
 * that this module had on the building machine into the place of `import.meta.url`.
 */
const here: string | undefined = typeof __filename === "string" ? __filename : import.meta.url

/**
 * Resolves from this module, as package managers with isolated dependencies need, and from the program, which may run
 * in another folder than the bundle that contains this module. `createRequire` is not imported: bundlers follow calls
 * of it that they can see, or rewrite them.
 */
const requires = (): ReadonlyArray<NodeJS.Require> => {
  const { createRequire } = process.getBuiltinModule("node:module")
  return [here, process.argv[1]].flatMap((base) => {
    try {
      return base === undefined ? [] : [createRequire(base)]
    } catch {
      // a bundle imported from a `data:` URL
      return []
    }
  })
}

/** The path of a module, and the function that resolved it. `undefined` when it is not installed. */
const resolveModule = (id: string): { readonly path: string; readonly require: NodeJS.Require } | undefined => {
  for (const require of requires()) {
    try {
      return { path: require.resolve(id), require }
    } catch {
      // not installed there
    }
  }
  return undefined
}

/** Requires an optional dependency without a specifier that a bundler can see. Fails when it is missing or broken. */
export const requireOptional = (id: string): Effect.Effect<unknown, EngineError> =>
  Effect.suspend(() => {
    const module = resolveModule(id)
    return module === undefined
      ? Effect.fail(loadError(`the package ${id} is not installed. Install optional dependencies too`))
      : Effect.try({
          try: () => module.require(id) as unknown,
          catch: (cause) =>
            loadError(
              `the package ${id} does not load on ${process.platform}-${process.arch}: ${errorMessage(cause)}`,
              cause
            )
        })
  })

/** All platform packages in the folders that would contain `name`: one for another platform reveals a copied `node_modules`. */
const installedPackages = (name: string): ReadonlyArray<string> => {
  const folders = new Set(requires().flatMap((require) => require.resolve.paths(name) ?? []))
  return [...folders].flatMap((folder) => {
    try {
      return readdirSync(join(folder, SCOPE)).flatMap((entry) =>
        entry.startsWith("native-") ? [`${SCOPE}/${entry}`] : []
      )
    } catch {
      return []
    }
  })
}

/** The manifest's fields that describe the library; `scripts/native/pack.mjs` writes them. */
interface Manifest {
  readonly version?: unknown
  readonly library?: { readonly file?: unknown; readonly bytes?: unknown }
}

/** Checks the library against the manifest. The dynamic loader kills the process when a file ends too early. */
const inPackage = (name: string, manifestPath: string): Effect.Effect<string, EngineError> =>
  Effect.gen(function* () {
    const { library, version: found } = yield* Effect.try({
      try: () => JSON.parse(readFileSync(manifestPath, "utf8")) as Manifest,
      catch: (cause) =>
        loadError(`${manifestPath} cannot be read: ${errorMessage(cause)}. Install ${name} again`, cause)
    })
    if (found !== nativeVersion) {
      return yield* loadError(
        `${name} has version ${found}, but flipt-client-effect needs version ${nativeVersion}. Install both again`
      )
    }
    const path = join(dirname(manifestPath), String(library?.file))
    const bytes = yield* Effect.try({
      try: () => statSync(path).size,
      catch: (cause) => loadError(`${path} cannot be read: ${errorMessage(cause)}. Install ${name} again`, cause)
    })
    return bytes === library?.bytes
      ? path
      : yield* loadError(`${path} has ${bytes} bytes instead of ${library?.bytes}. Install ${name} again`)
  })

/**
 * The root of the checkout that this module is part of. `undefined` in an installed package and in a bundle: what lies
 * around a bundle is not ours, and loading code from there would run whatever another user put into a shared folder.
 */
const checkout = (): string | undefined => {
  const path = here?.startsWith("file:") ? fileURLToPath(here) : here
  const root =
    path &&
    /^(.*)[\\/](?:dist[\\/]internal[\\/]flipt-client-effect-[\w-]+\.js|src[\\/]internal[\\/]engine[\\/]native[\\/]locate\.ts)$/.exec(
      path
    )?.[1]
  return root === undefined || root === "" || /[\\/]node_modules[\\/]/.test(root) ? undefined : root
}

const inCheckout = (): { readonly path: string; readonly built: boolean } | undefined => {
  const root = checkout()
  const path = root && join(root, "native", "target", "release", fileName(process.platform))
  return path ? { path, built: existsSync(path) } : undefined
}

/** The path of the library to load. A package that is installed but unusable is an error, and nothing else is tried. */
export const locate = (explicit: string | undefined): Effect.Effect<string, EngineError> =>
  Effect.suspend(() => {
    if (explicit !== undefined) {
      // absolute, since the dynamic loader searches the system for a bare name
      const path = resolve(explicit)
      return existsSync(path)
        ? Effect.succeed(path)
        : Effect.fail(loadError(`${printable(path)}: no such file. Set FLIPT_ENGINE_PATH to the path of the library`))
    }
    const name = packageName(process.platform, process.arch, detectLibc())
    const manifest = resolveModule(`${name}/package.json`)
    if (manifest !== undefined) {
      return inPackage(name, manifest.path)
    }
    const build = inCheckout()
    if (build !== undefined) {
      return build.built
        ? Effect.succeed(build.path)
        : Effect.fail(loadError(`${name} is not installed, and ${build.path} is not built. Run npm run prepare`))
    }
    const others = installedPackages(name)
    return Effect.fail(
      loadError(
        others.length === 0
          ? `${name} is not installed. Install optional dependencies too`
          : `${name} is not installed, but ${others.join(", ")} is, which is for another platform. Install again on this platform`
      )
    )
  })
