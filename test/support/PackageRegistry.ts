/**
 * A package registry on the loopback interface, from which npm installs and to which it publishes.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Http from "node:http"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Listener from "./Listener.js"
import * as Tarball from "./tarball.js"

export interface Manifest {
  readonly name: string
  readonly version: string
}

export interface Package {
  readonly manifest: Manifest
  /** `undefined` for an existing package that no test downloads. */
  readonly tarball: Buffer | undefined
}

export interface Registry {
  readonly url: string
  /** Every published package, in order. */
  readonly published: ReadonlyArray<string>
  /** The tags of a package's versions, as published. */
  readonly tags: (name: string) => Readonly<Record<string, string>>
  /** Makes the registry refuse to publish packages of this name; `undefined` ends it. */
  readonly refuse: (name: string | undefined) => void
}

export const integrityOf = (bytes: Buffer): string => `sha512-${createHash("sha512").update(bytes).digest("base64")}`

/** A package, from its tarball. */
export const packageOf = (tarball: Buffer): Package => ({
  manifest: JSON.parse((Tarball.read(tarball, "package.json") as Buffer).toString("utf8")) as Manifest,
  tarball
})

interface Locked {
  readonly version: string
  readonly os?: ReadonlyArray<string>
  readonly cpu?: ReadonlyArray<string>
  readonly libc?: ReadonlyArray<string>
}

/**
 * Looks up a package in a folder's lock file and returns every version that it names. Packages for other platforms are
 * empty.
 */
export const installedIn = (folder: string): ((name: string) => ReadonlyArray<Package>) => {
  const lock: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(
    Fs.readFileSync(Path.join(folder, "package-lock.json"), "utf8")
  )
  return (name) =>
    Object.entries(lock.packages)
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .map(([path, { cpu, libc, os, version }]) =>
        packageOf(
          Fs.existsSync(Path.join(folder, path, "package.json"))
            ? Tarball.packInstalled(Path.join(folder, path))
            : Tarball.pack(new Map([["package.json", Buffer.from(JSON.stringify({ name, version, os, cpu, libc }))]]))
        )
      )
}

interface Publication {
  readonly versions: Readonly<Record<string, Manifest>>
  readonly "dist-tags": Readonly<Record<string, string>>
  readonly _attachments: Readonly<Record<string, { readonly data: string }>>
}

/** Runs the registry until the Scope ends. It looks up each missing package once. */
export const make = (
  packages: ReadonlyArray<Package>,
  lookup: (name: string) => ReadonlyArray<Package> = () => []
): Effect.Effect<Registry, never, Scope.Scope> =>
  Effect.gen(function* () {
    const known = new Map<string, ReadonlyArray<Package>>()
    const published: Array<string> = []
    const tags = new Map<string, Readonly<Record<string, string>>>()
    let refused: string | undefined

    const add = (it: Package) => known.set(it.manifest.name, [...(known.get(it.manifest.name) ?? []), it])
    packages.forEach(add)

    /** Every version of a package. */
    const find = (name: string): ReadonlyArray<Package> => {
      if (!known.has(name)) {
        known.set(name, lookup(name))
      }
      return known.get(name) ?? []
    }

    const document = (host: string, name: string, found: ReadonlyArray<Package>) => ({
      name,
      "dist-tags": tags.get(name) ?? { latest: found.at(-1)?.manifest.version },
      versions: Object.fromEntries(
        found.map(({ manifest, tarball }) => {
          const url = `http://${host}/-/${encodeURIComponent(`${name}@${manifest.version}`)}.tgz`
          const integrity = tarball === undefined ? {} : { integrity: integrityOf(tarball) }
          return [manifest.version, { ...manifest, dist: { tarball: url, ...integrity } }]
        })
      )
    })

    const publish = (body: string): readonly [status: number, answer: object] => {
      const { _attachments, "dist-tags": given, versions } = JSON.parse(body) as Publication
      const manifest = Object.values(versions)[0] as Manifest
      if (manifest.name === refused) {
        return [403, { error: "refused" }]
      }
      if (find(manifest.name).some((it) => it.manifest.version === manifest.version)) {
        return [409, { error: "this version exists" }]
      }
      const data = Object.values(_attachments)[0]?.data ?? ""
      add({ manifest, tarball: Buffer.from(data, "base64") })
      published.push(manifest.name)
      tags.set(manifest.name, { ...tags.get(manifest.name), ...given })
      return [201, { ok: true }]
    }

    const server = Http.createServer((request, response) => {
      const host = request.headers.host as string
      const path = decodeURIComponent(new URL(request.url ?? "/", `http://${host}`).pathname).slice(1)
      const answer = (status: number, body: object | Buffer) => {
        response.writeHead(status, {
          "content-type": Buffer.isBuffer(body) ? "application/octet-stream" : "application/json"
        })
        response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
      }
      if (request.method === "PUT") {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => answer(...publish(Buffer.concat(chunks).toString("utf8"))))
        return
      }
      const [, name, version] = /^-\/(.*)@(.*)\.tgz$/.exec(path) ?? []
      const found = find(name ?? path)
      const body =
        name !== undefined
          ? found.find(({ manifest }) => manifest.version === version)?.tarball
          : found.length === 0
            ? undefined
            : document(host, path, found)
      answer(body === undefined ? 404 : 200, body ?? { error: "not found" })
    })
    const port = yield* Listener.listen(server)
    return {
      url: `http://127.0.0.1:${port}/`,
      published,
      tags: (name) => tags.get(name) ?? {},
      refuse: (name) => {
        refused = name
      }
    }
  })
