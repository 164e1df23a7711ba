import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";
import relay from "vite-plugin-relay"; // replaces each graphql`…` by what relay-compiler made of it

export default defineConfig({ plugins: [react(), relay], resolve: { tsconfigPaths: true } });
