/** Files that are imported as text (`with { type: "text" }`). */
declare module "*.yaml" {
  const text: string;
  export default text;
}
declare module "*.sysusers" {
  const text: string;
  export default text;
}
declare module "*.tmpfiles" {
  const text: string;
  export default text;
}
declare module "*.service" {
  const text: string;
  export default text;
}
