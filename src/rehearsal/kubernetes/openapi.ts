/**
 * Structural schemas of custom kinds: defaults, pruning of unknown fields, validation with the real server's causes.
 *
 * CEL rules (x-kubernetes-validations) are not evaluated; everything else that Flux' definitions use is.
 *
 * @see Kubernetes tasks, "Extend the Kubernetes API with CustomResourceDefinitions", "Specifying a structural schema"
 */
import { isPlainObject } from "../../core/json.ts";
import { fieldAt, type KubeObject, listAt, numberAt, textAt } from "../../kube/model.ts";
import type { Cause } from "./refusal.ts";

type Schema = Readonly<Record<string, unknown>>;

/** Fills in defaults and drops fields the schema does not know. */
export function withSchemaDefaults(schema: Schema, object: KubeObject): KubeObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  const shaped = shape(schema, rest);
  return { ...(isPlainObject(shaped) ? shaped : {}), apiVersion, kind, metadata };
}

function shape(schema: unknown, value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = fieldAt(schema, "items");
    return items === undefined ? value : value.map((item: unknown) => shape(items, item));
  }
  if (!isPlainObject(value) || schema === undefined) return value;
  const properties = fieldAt(schema, "properties");
  const additional = fieldAt(schema, "additionalProperties");
  const free = fieldAt(schema, "x-kubernetes-preserve-unknown-fields") === true;
  const kept = Object.entries(value).flatMap(([name, inner]) => {
    const declared = fieldAt(properties, name) ?? (isPlainObject(additional) ? additional : undefined);
    if (declared !== undefined) return [[name, shape(declared, inner)] as const];
    return free || additional === true ? [[name, inner] as const] : [];
  });
  return { ...defaultsOf(properties, value), ...Object.fromEntries(kept) };
}

function defaultsOf(properties: unknown, value: Readonly<Record<string, unknown>>): Record<string, unknown> {
  if (!isPlainObject(properties)) return {};
  const missing = Object.entries(properties).filter(
    ([name, schema]) => !Object.hasOwn(value, name) && fieldAt(schema, "default") !== undefined,
  );
  return Object.fromEntries(missing.map(([name, schema]) => [name, shape(schema, fieldAt(schema, "default"))]));
}

/** The first field of a configuration that the schema does not type, as server-side apply says it; undefined: none. */
export function untypedField(schema: Schema, object: KubeObject): string | undefined {
  const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = object;
  return untypedAt(schema, rest, "");
}

function untypedAt(schema: unknown, value: unknown, path: string): string | undefined {
  if (value === null || isFree(schema)) return undefined;
  const wrong = typeCause(schema, value, path);
  if (wrong !== undefined) return `${path}: expected ${textAt(schema, "type") ?? "another type"}`;
  if (Array.isArray(value)) {
    const items = fieldAt(schema, "items");
    return firstOf(value.map((item, index) => () => untypedAt(items, item, `${path}[${index}]`)));
  }
  if (!isPlainObject(value)) return undefined;
  const additional = fieldAt(schema, "additionalProperties");
  return firstOf(
    Object.entries(value).map(([name, inner]) => () => {
      const declared = fieldAt(schema, "properties", name) ?? (isPlainObject(additional) ? additional : undefined);
      return declared === undefined
        ? `${path}.${name}: field not declared in schema`
        : untypedAt(declared, inner, `${path}.${name}`);
    }),
  );
}

function isFree(schema: unknown): boolean {
  return (
    fieldAt(schema, "x-kubernetes-preserve-unknown-fields") === true ||
    (textAt(schema, "type") === "object" &&
      fieldAt(schema, "properties") === undefined &&
      fieldAt(schema, "additionalProperties") === undefined)
  );
}

function firstOf(questions: readonly (() => string | undefined)[]): string | undefined {
  for (const ask of questions) {
    const found = ask();
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Every violation, with its path. Metadata is checked elsewhere. */
export function schemaCauses(schema: Schema, object: KubeObject): readonly Cause[] {
  const { apiVersion: _a, kind: _k, metadata: _m, ...rest } = object;
  const required = listAt(schema, "required").filter(
    (name) => !["apiVersion", "kind", "metadata"].includes(String(name)),
  );
  return causesAt({ ...schema, required }, rest, "");
}

function causesAt(schema: unknown, value: unknown, path: string): readonly Cause[] {
  if (value === null && fieldAt(schema, "nullable") === true) return [];
  const wrong = typeCause(schema, value, path);
  if (wrong !== undefined) return [wrong];
  if (typeof value === "string") return stringCauses(schema, value, path);
  if (typeof value === "number") return numberCauses(schema, value, path);
  if (Array.isArray(value)) return listCauses(schema, value, path);
  return isPlainObject(value) ? mapCauses(schema, value, path) : [];
}

const INVALID = "FieldValueInvalid";

function typeCause(schema: unknown, value: unknown, path: string): Cause | undefined {
  const type = textAt(schema, "type");
  if (fieldAt(schema, "x-kubernetes-int-or-string") === true || type === undefined) return undefined;
  if (isOfType(type, value)) return undefined;
  return {
    reason: "FieldValueTypeInvalid",
    field: path,
    message: `Invalid value: "${nameOfType(value)}": ${path} in body must be of type ${type}: "${nameOfType(value)}"`,
  };
}

function isOfType(type: string, value: unknown): boolean {
  if (type === "object") return isPlainObject(value);
  if (type === "array") return Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function nameOfType(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

function stringCauses(schema: unknown, value: string, path: string): readonly Cause[] {
  const options = listAt(schema, "enum");
  const shown = JSON.stringify(value);
  if (options.length > 0 && !options.includes(value)) {
    const supported = options.map((option) => JSON.stringify(option)).join(", ");
    return [
      {
        reason: "FieldValueNotSupported",
        field: path,
        message: `Unsupported value: ${shown}: supported values: ${supported}`,
      },
    ];
  }
  const pattern = textAt(schema, "pattern");
  if (pattern !== undefined && !new RegExp(pattern).test(value)) {
    return [
      { reason: INVALID, field: path, message: `Invalid value: ${shown}: ${path} in body should match '${pattern}'` },
    ];
  }
  const min = numberAt(schema, "minLength");
  if (min !== undefined && value.length < min) {
    const message = `Invalid value: ${shown}: ${path} in body should be at least ${min} chars long`;
    return [{ reason: INVALID, field: path, message }];
  }
  const max = numberAt(schema, "maxLength");
  if (max === undefined || value.length <= max) return [];
  return [{ reason: "FieldValueTooLong", field: path, message: `Too long: may not be more than ${max} bytes` }];
}

function numberCauses(schema: unknown, value: number, path: string): readonly Cause[] {
  const min = numberAt(schema, "minimum");
  const max = numberAt(schema, "maximum");
  const cause = (relation: string, bound: number): readonly Cause[] => [
    {
      reason: INVALID,
      field: path,
      message: `Invalid value: ${value}: ${path} in body should be ${relation} than or equal to ${bound}`,
    },
  ];
  if (min !== undefined && value < min) return cause("greater", min);
  return max !== undefined && value > max ? cause("less", max) : [];
}

function listCauses(schema: unknown, value: readonly unknown[], path: string): readonly Cause[] {
  const max = numberAt(schema, "maxItems");
  const own: readonly Cause[] =
    max !== undefined && value.length > max
      ? [
          {
            reason: "FieldValueTooMany",
            field: path,
            message: `Too many: ${value.length}: must have at most ${max} items`,
          },
        ]
      : [];
  const items = fieldAt(schema, "items");
  return [...own, ...value.flatMap((item, index) => causesAt(items, item, `${path}[${index}]`))];
}

function mapCauses(schema: unknown, value: Readonly<Record<string, unknown>>, path: string): readonly Cause[] {
  const within = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const missing: readonly Cause[] = listAt(schema, "required")
    .filter((name) => typeof name === "string")
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => ({ reason: "FieldValueRequired", field: within(name), message: "Required value" }));
  const additional = fieldAt(schema, "additionalProperties");
  const below = Object.entries(value).flatMap(([name, inner]) => {
    const declared = fieldAt(schema, "properties", name) ?? (isPlainObject(additional) ? additional : undefined);
    return declared === undefined ? [] : causesAt(declared, inner, within(name));
  });
  return [...missing, ...below];
}
