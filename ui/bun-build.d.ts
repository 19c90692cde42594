/** The parts of Bun's bundler that build-time scripts use; Bun's own types are not a dependency. */
declare module "bun" {
  export interface BuildOutput {
    readonly success: boolean;
    readonly logs: readonly unknown[];
    readonly outputs: readonly { readonly path: string; arrayBuffer(): Promise<ArrayBuffer> }[];
    /** Asked for by `metafile: true`: the files that were taken, relative to the working folder. */
    readonly metafile?: { readonly inputs: Readonly<Record<string, unknown>> };
  }

  export function build(options: {
    readonly entrypoints: readonly string[];
    readonly target: "browser" | "bun";
    readonly format: "esm";
    readonly splitting?: boolean;
    readonly minify?: boolean;
    readonly sourcemap?: "none";
    readonly define?: Readonly<Record<string, string>>;
    readonly metafile?: boolean;
  }): Promise<BuildOutput>;

  export class Transpiler {
    constructor(options: { readonly loader: "ts" });
    /** Static and lazy imports of a source, types left out. */
    scanImports(source: string): readonly { readonly path: string }[];
  }
}
