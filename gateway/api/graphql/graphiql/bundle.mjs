// Bundles src/ into dist/: one script, one style sheet, the fonts and the icon, each with a hash of its
// content in its name, and manifest.json with those names for page.py. build.py runs this.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { build } from "esbuild";

const OUT = "dist";

// GraphiQL's style sheet holds 34 fonts as data: URLs, 400 kB that would hold up the first paint.
// As files, the browser fetches only those whose characters are on the page, and the page's policy
// needs no data: for fonts.
const fontsAsFiles = {
  name: "fonts-as-files",
  setup({ onLoad, onResolve }) {
    const fonts = new Map();
    onLoad({ filter: /[\\/]graphiql[\\/]dist[\\/]style\.css$/ }, async ({ path }) => {
      const css = await readFile(path, "utf8");
      const contents = css.replace(/url\(data:font\/(woff2?);base64,([^)]+)\)/g, (_, type, data) => {
        const name = `font-${fonts.size + 1}.${type}`;
        fonts.set(name, Buffer.from(data, "base64"));
        return `url(${name})`;
      });
      return { contents, loader: "css" };
    });
    onResolve({ filter: /^font-\d+\.woff2?$/ }, ({ path }) => ({ path, namespace: "font" }));
    onLoad({ filter: /./, namespace: "font" }, ({ path }) => ({ contents: fonts.get(path), loader: "file" }));
  },
};

await rm(OUT, { recursive: true, force: true });
await mkdir(OUT);
const { metafile } = await build({
  entryPoints: { main: "src/main.tsx", icon: "src/icon.svg" },
  outdir: OUT,
  entryNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  // One file: nearly all of GraphiQL is needed at once, so splitting would only add round trips.
  splitting: false,
  format: "esm",
  target: "es2022",
  minify: true,
  sourcemap: false,
  // Licence texts that the packages carry go into a separate file beside the script.
  legalComments: "external",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  loader: { ".svg": "copy" },
  alias: { "react-style-singleton": "./src/no-inline-styles.ts" },
  plugins: [fontsAsFiles],
  metafile: true,
  logLevel: "warning",
});

const outputs = Object.entries(metafile.outputs);
const script = outputs.find(([, output]) => output.entryPoint === "src/main.tsx");
const icon = outputs.find(([path]) => path.endsWith(".svg"));
if (!script?.[1].cssBundle || !icon) throw new Error("the bundle lacks its script, style sheet or icon");
await writeFile(
  join(OUT, "manifest.json"),
  JSON.stringify({ script: basename(script[0]), style: basename(script[1].cssBundle), icon: basename(icon[0]) }),
);
