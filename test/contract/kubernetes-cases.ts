/** All cases of the Kubernetes contract. */
import { APPLY_CASES } from "./kubernetes-apply.ts";
import { CUSTOM_CASES } from "./kubernetes-custom.ts";
import { ENGINE_CASES } from "./kubernetes-engines.ts";
import { MIRROR_CASES } from "./kubernetes-mirror.ts";
import { OBJECT_CASES } from "./kubernetes-objects.ts";
import type { Case } from "./kubernetes-suite.ts";
import { VALIDATION_CASES } from "./kubernetes-validation.ts";
import { WATCH_CASES } from "./kubernetes-watch.ts";

export const CASES: readonly Case[] = [
  ...OBJECT_CASES,
  ...APPLY_CASES,
  ...WATCH_CASES,
  ...VALIDATION_CASES,
  ...CUSTOM_CASES,
  ...ENGINE_CASES,
  ...MIRROR_CASES,
];
