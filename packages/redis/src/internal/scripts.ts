/**
 * Lua scripts for atomic operations in Redis. All keys are passed in `KEYS`, so that the scripts work in a Cluster.
 *
 * A token is the time of Redis in microseconds, or the last token plus one if that is greater, so tokens increase even if
 * Redis loses its data.
 */
import { createHash } from "node:crypto"
import type { Cluster, Redis } from "ioredis"

export interface Script {
  readonly source: string
  readonly sha: string
}

const script = (source: string): Script => ({ source, sha: createHash("sha1").update(source).digest("hex") })

const now = `
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local text = function(number) return string.format('%.0f', number) end
`

/**
 * KEYS: lease, token. ARGV: owner, lease in ms, time to live in ms. Returns the token, or how much longer the lease
 * lasts.
 */
export const acquire: Script = script(`${now}
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  return { 'taken', redis.call('PTTL', KEYS[1]) }
end
local token = text(math.max(micros, tonumber(redis.call('GET', KEYS[2]) or '0') + 1))
redis.call('SET', KEYS[2], token, 'PX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return { 'acquired', token }
`)

/**
 * KEYS: lease, token, state, body of the leader's state. ARGV: owner, token, lease in ms, time to live in ms, digest of
 * the leader's state, whether it is confirmed, the age in ms from which a confirmation is announced, channel.
 *
 * An expired lease is renewed unless another process has had one since. Returns the digest of the published state, or an
 * empty string if there is none or its document is missing.
 */
export const renew: Script = script(`${now}
local holder = redis.call('GET', KEYS[1])
if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[2]) or (holder and holder ~= ARGV[1]) then
  return { 'lost' }
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[4])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
local digest = redis.call('HGET', KEYS[3], 'digest')
if not digest then
  return { 'renewed', '' }
end
if digest == ARGV[5] then
  if redis.call('EXISTS', KEYS[4]) == 0 then
    return { 'renewed', '' }
  end
  if ARGV[6] == '1' then
    local age = now - tonumber(redis.call('HGET', KEYS[3], 'confirmedAt') or '0')
    redis.call('HSET', KEYS[3], 'confirmedAt', text(now))
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
    redis.call('PEXPIRE', KEYS[4], ARGV[4])
    if age > tonumber(ARGV[7]) then
      redis.call('PUBLISH', ARGV[8], 'state')
    end
  end
end
return { 'renewed', digest }
`)

/** KEYS: lease. ARGV: owner, channel. */
export const release: Script = script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], 'vacant')
end
return { 'released' }
`)

/** How long a replaced document stays, for readers that are about to read it. */
const GRACE_MILLIS = 60_000

/**
 * KEYS: token, state, body, body of the state to be replaced. ARGV: token, sequence, digest, digest of the state to be
 * replaced, version, environment, namespace, length, time to live in ms, channel.
 *
 * Returns `fenced` if there is a newer token, `older` if a newer state with the same token is published, `changed` if the
 * published state is not the expected one, and `missing` if the body is missing.
 */
export const publish: Script = script(`${now}
local token = tonumber(ARGV[1])
local state = redis.call('HMGET', KEYS[2], 'token', 'sequence', 'digest')
local published = tonumber(state[1] or '0')
if tonumber(redis.call('GET', KEYS[1]) or '0') > token or published > token then
  return { 'fenced' }
end
if published == token and tonumber(state[2] or '0') > tonumber(ARGV[2]) then
  return { 'older' }
end
if (state[3] or '') ~= ARGV[4] then
  return { 'changed' }
end
if redis.call('EXISTS', KEYS[3]) == 0 then
  return { 'missing' }
end
redis.call('PEXPIRE', KEYS[3], ARGV[9])
if KEYS[4] ~= KEYS[3] then
  redis.call('PEXPIRE', KEYS[4], ${GRACE_MILLIS})
end
redis.call('HSET', KEYS[2], 'token', ARGV[1], 'sequence', ARGV[2], 'digest', ARGV[3], 'version', ARGV[5],
  'environment', ARGV[6], 'namespace', ARGV[7], 'length', ARGV[8], 'publishedAt', text(now), 'confirmedAt', text(now))
redis.call('PEXPIRE', KEYS[2], ARGV[9])
redis.call('PUBLISH', ARGV[10], 'state')
return { 'published' }
`)

/** KEYS: state. Returns the digest, version, length and confirmation of the state, and the time of Redis. */
export const read: Script = script(`${now}
local state = redis.call('HMGET', KEYS[1], 'digest', 'version', 'length', 'confirmedAt')
return { state[1] or '', state[2] or '', state[3] or '', state[4] or '', text(now) }
`)

/** Runs a script, and sends its source only if Redis does not know it yet. */
export const run =
  (
    { sha, source }: Script,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string> = []
  ): ((client: Redis | Cluster) => Promise<ReadonlyArray<string | number>>) =>
  async (client) => {
    const all = [...keys, ...args]
    const reply = await client.evalsha(sha, keys.length, ...all).catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) {
        return client.eval(source, keys.length, ...all)
      }
      throw error
    })
    return reply as ReadonlyArray<string | number>
  }
