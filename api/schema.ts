/**
 * Builders for the schemas of request and reply bodies. A schema is JSON Schema (TypeBox), so the
 * daemon's validator, the OpenAPI document and the static types come from one place.
 * Only this file imports TypeBox's builders.
 */
import {
  Array as arrayOf,
  Boolean as booleanOf,
  Integer as integerOf,
  Literal as literalOf,
  Object as objectOf,
  Optional as optionalOf,
  Record as recordOf,
  type Static,
  String as stringOf,
  type TLiteral,
  type TObject,
  type TOptional,
  type TProperties,
  type TSchema,
  type TUnion,
  Union as unionOf,
  Unknown as unknownOf,
} from "@sinclair/typebox";

export type Schema = TSchema;
/** Static type of a schema. */
export type Infer<S extends TSchema> = Static<S>;

export const string = (options: { description?: string } = {}) => stringOf(options);
export const boolean = (options: { description?: string } = {}) => booleanOf(options);
export const unknown = () => unknownOf();
export const integer = (options: { min?: number; max?: number } = {}) =>
  integerOf({ minimum: options.min, maximum: options.max });
export const array = <S extends TSchema>(items: S) => arrayOf(items);
export const optional = <S extends TSchema>(schema: S): TOptional<S> =>
  optionalOf(schema) as TOptional<S>;
/** An object with any keys and values of one kind, e.g. a config map. */
export const map = <S extends TSchema>(values: S) => recordOf(stringOf(), values);
/** `{key: value}` of strings: instance, network, pool ... configuration. */
export const configMap = () => map(stringOf());
/** `{device: {key: value}}`. */
export const devicesMap = () => map(map(stringOf()));

/** One of these texts and nothing else. */
export function oneOf<const V extends string[]>(
  ...values: V
): TUnion<{ [K in keyof V]: TLiteral<V[K] & string> }> {
  return unionOf(values.map((value) => literalOf(value))) as never;
}

/**
 * An object. Fields that it does not list are an error (400 with the path of the field), except
 * those in `ignored`: read-only fields of the GET reply, which clients send back with a PUT.
 */
export function object<P extends TProperties>(
  fields: P,
  options: { ignored?: readonly string[] } = {},
): TObject<P> {
  return objectOf(fields, { additionalProperties: false, ignored: options.ignored ?? [] });
}
