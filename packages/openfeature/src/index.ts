/**
 * An OpenFeature provider for Flipt that evaluates flags inside the application.
 *
 * @since 0.1.0
 */
export {
  type AuthenticationOptions,
  type ClientOptions,
  type DurationInput,
  FliptProvider,
  type LayerOptions,
  type Options,
  type TlsOptions
} from "./FliptProvider.js"
