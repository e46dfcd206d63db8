import { Counter } from "./counter";

// Rendered anew for every request: the page says which runtime answers.
export const dynamic = "force-dynamic";

export default function Page() {
  return (
    <main>
      <h1>example-nextjs</h1>
      <p>{`node ${process.versions.node}`}</p>
      <Counter />
    </main>
  );
}
