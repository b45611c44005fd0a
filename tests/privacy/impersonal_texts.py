# ruff: noqa: E501
"""Texts without personal details that look as if they had some: code, maths, JSON, versions, logs, prose.

A detector that replaces anything in them breaks what a user asked about. `<<d4>>` is a number of four digits, `<<h40>>`
forty hexadecimal digits, `<<w>>` a word.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from depsim_dagster.privacy.scoring.score import LabelledMessage

ROUNDS = 4
WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "field",
    "grove",
    "harbor",
    "inlet",
    "jolly",
    "kite",
    "lumen",
    "meadow",
    "nimbus",
    "orbit",
    "prism",
    "quartz",
]

TEXTS: dict[str, tuple[str, ...]] = {
    "code": (
        "def moving_average(values, window=<<d1>>):\n    out = []\n    for i in range(len(values) - window + 1):\n"
        "        out.append(sum(values[i:i + window]) / window)\n    return out\n\nassert moving_average([1, 2, 3, 4], 2) == [1.5, 2.5, 3.5]",
        "import numpy as np\nrng = np.random.default_rng(<<d6>>)\nX = rng.normal(size=(<<d3>>, 16))\nprint(X.mean(axis=0)[:4], 0x<<h8>>)",
        "class <<W>>Parser(BaseParser):\n    MAX_DEPTH = <<d4>>\n    def visit_Name(self, node: ast.Name) -> None:\n"
        "        self.seen[node.id] = self.seen.get(node.id, 0) + 1",
        "const <<w>>Cache = new Map();\nexport async function fetch<<W>>(id) {\n  if (<<w>>Cache.has(id)) return <<w>>Cache.get(id);\n"
        "  const res = await fetch(`/api/v<<d1>>/<<w>>/${id}?page=<<d2>>`);\n  return res.json();\n}",
        "interface Point { x: number; y: number }\ntype Result<T, E = Error> = { ok: true; value: T } | { ok: false; error: E };\n"
        "const origin: Point = { x: <<d3>>.5, y: -<<d2>>.25 };",
        "public final class <<W>>Service {\n    private static final long serialVersionUID = <<d1>>834509123478<<d4>>L;\n"
        '    @Override public String toString() { return "<<W>>Service{id=" + id + "}"; }\n}',
        'package main\n\nimport (\n\t"fmt"\n\t"net/http"\n)\n\nfunc main() {\n\thttp.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {\n'
        '\t\tfmt.Fprintf(w, "ok %d", <<d5>>)\n\t})\n\thttp.ListenAndServe("127.0.0.1:<<d4>>", nil)\n}',
        'fn main() {\n    let v: Vec<u64> = (0..<<d3>>).filter(|n| n % 7 == 0).collect();\n    println!("{:?} {}", v, std::mem::size_of::<u64>());\n}',
        "#include <stdio.h>\n#define BUF <<d4>>\nstatic const unsigned char key_schedule[] = {0x<<h2>>, 0x<<h2>>, 0x<<h2>>, 0x<<h2>>};\n"
        'int main(void) { char b[BUF]; return snprintf(b, BUF, "%d", <<d3>>) < 0; }',
        "SELECT o.id, SUM(i.qty * i.price) AS total\nFROM orders o JOIN items i ON i.order_id = o.id\n"
        "WHERE o.created_at >= '2024-<<m>>-01' AND o.status IN ('paid', 'shipped')\nGROUP BY o.id HAVING SUM(i.qty) > <<d2>> ORDER BY total DESC LIMIT 100;",
        "#!/usr/bin/env bash\nset -euo pipefail\nfor f in build/<<w>>-*.tar.gz; do\n  sha256sum \"$f\" | awk '{print $1}'\ndone\n"
        'docker run --rm -p <<d4>>:80 -v "$PWD":/src nginx:1.27.<<d1>>',
        "using System.Linq;\nnamespace <<W>>.Core;\npublic record Order(int Id, decimal Total);\n"
        "var top = orders.OrderByDescending(o => o.Total).Take(<<d2>>).ToList();",
        "diff --git a/src/<<w>>.py b/src/<<w>>.py\nindex <<h7>>..<<h7>> 100644\n--- a/src/<<w>>.py\n+++ b/src/<<w>>.py\n@@ -<<d2>>,7 +<<d2>>,9 @@ def run():\n-    retry = 3\n+    retry = 5",
        "commit <<h40>>\n    Fix off-by-one in <<w>> pagination\n\n src/<<w>>/page.ts | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)",
        '<div class="card card-<<d2>>" id="<<w>>-<<d3>>">\n  <a href="https://example.com/docs/<<w>>">Docs</a>\n  <img src="/static/<<h8>>.png" width="<<d3>>">\n</div>',
        "@decorator\nasync def main(host='localhost', port=<<d4>>):\n    '''Start the <<w>> worker.'''\n    await asyncio.gather(*(tick(i) for i in range(<<d2>>)))",
        "uuid = '<<h8>>-<<h4>>-4<<h3>>-a<<h3>>-<<h12>>'\ncolor: #<<h6>>; margin: 0 <<d2>>px; z-index: <<d4>>;",
        "try {\n  await client.query('UPDATE stock SET n = n - $1 WHERE sku = $2', [<<d2>>, 'SKU-<<d6>>']);\n} catch (e) { logger.error(e) }",
    ),
    "maths": (
        "Let $f(x) = \\int_0^{<<d2>>} e^{-t^2/2}\\,dt$. Show that $f'(x) = e^{-x^2/2}$ and compute $f(<<d1>>)$ to <<d1>> decimals.",
        "Solve 3x^2 - <<d2>>x + <<d3>> = 0. The discriminant is <<d2>>^2 - 4*3*<<d3>>, so x = (<<d2>> ± sqrt(D)) / 6.",
        "\\begin{align}\n \\sum_{k=1}^{n} k^3 &= \\left(\\frac{n(n+1)}{2}\\right)^2 \\\\\n \\zeta(2) &= \\frac{\\pi^2}{6} \\approx 1.644934066848<<d4>>\n\\end{align}",
        "pi = 3.14159265358979323846264338327950288419716939937510, e = 2.71828182845904523536, sqrt(2) = 1.41421356237309504880",
        "<<d4>> + <<d4>> = ?  and  <<d3>> × <<d3>> − <<d2>> = ?  Then (555 - 1234) / <<d2>>.",
        "Compute the eigenvalues of A = [[<<d1>>, -<<d1>>, 0], [1, <<d2>>, 4], [0, 4, -<<d1>>]] and its Jordan normal form.",
        "2^64 = 18446744073709551616 and 20! = 2432902008176640000; factor 1000000016000000063 = 1000000007 × 1000000009.",
        "By the Cauchy–Schwarz inequality, |⟨u, v⟩|² ≤ ⟨u, u⟩⟨v, v⟩. Euler's formula gives e^{iπ} + 1 = 0.",
        "P(A|B) = P(B|A) P(A) / P(B) = 0.<<d2>> · 0.<<d3>> / 0.<<d4>>; the p-value is 0.0<<d3>> (n = <<d4>>, df = <<d2>>).",
        "Fibonacci: 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765, 10946",
    ),
    "json": (
        '{"id": "<<h24>>", "status": "ok", "count": <<d4>>, "ratio": 0.<<d6>>, "tags": ["<<w>>", "<<w>>"], "nested": {"a": [1, 2, <<d3>>], "b": null}}',
        '{"openapi": "3.1.0", "info": {"title": "<<W>> API", "version": "<<d1>>.<<d2>>.<<d1>>"}, "paths": {"/<<w>>/{id}": {"get": {"responses": {"200": {"description": "OK"}}}}}}',
        '[{"ts": 17<<d8>>, "metric": "cpu", "value": <<d2>>.<<d3>>}, {"ts": 17<<d8>>, "metric": "mem", "value": <<d5>>}]',
        '{"model": "gpt-4o-2024-08-06", "temperature": 0.7, "max_tokens": <<d4>>, "messages": [{"role": "user", "content": "Sort this list."}]}',
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: <<w>>-<<d3>>\n  labels: {app: <<w>>}\nspec:\n  replicas: <<d1>>\n  template:\n    spec:\n"
        "      containers:\n      - name: web\n        image: registry.local/<<w>>:1.<<d2>>.<<d1>>\n        ports: [{containerPort: <<d4>>}]",
        '{"type": "FeatureCollection", "bbox": [0, 0, <<d3>>, <<d3>>], "features": [], "crs": {"type": "name", "properties": {"name": "EPSG:4326"}}}',
        '{"name": "<<w>>-utils", "version": "<<d1>>.<<d2>>.0", "dependencies": {"react": "^18.3.1", "lodash": "~4.17.21", "@types/node": ">=20.11.5"}}',
        '{"etag": "W/\\"<<h32>>\\"", "size": <<d8>>, "sha256": "<<h64>>", "created": "2024-<<m>>-14T09:21:33Z"}',
    ),
    "version": (
        "Upgrade from 2.4.<<d2>> to 3.0.0-rc.<<d1>>; requires Python >=3.11,<3.14, OpenSSL 3.0.13 and glibc 2.36.",
        "Chrome/126.0.6478.<<d3>> Safari/537.36; driver 551.86, firmware v10.4.2.1, build 22631.3<<d3>>, KB50<<d5>>",
        "numpy==1.26.4\npandas==2.2.<<d1>>\nscipy==1.14.1\ntorch==2.4.0+cu121\nprotobuf==4.25.<<d1>>",
        "node v20.11.<<d1>>, npm 10.2.4, tsc 5.4.5 and kernel 6.8.0-<<d2>>-generic x86_64 GNU/Linux on Ubuntu 24.04",
        "RFC 9110, ISO 8601:2019, IEEE 802.11ax, EN 60601-1, section 4.2.<<d1>>.<<d1>>, figure 12.<<d2>>",
        "release 2024.<<m>>.1 (<<h7>>), schema 20240<<d1>>120<<d1>>, protocol 1.3, DirectX 12.2, USB 3.2 Gen 2x2, PCIe 5.0 x16",
    ),
    "log": (
        "2024-<<m>>-11T10:22:31.114Z INFO  [main] c.e.<<w>>.Server - started in <<d4>> ms (pid <<d5>>)",
        'Traceback (most recent call last):\n  File "/usr/lib/python3.11/site-packages/<<w>>/core.py", line <<d3>>, in run\n'
        "    return self._call(*args)\nTypeError: unsupported operand type(s) for +: 'int' and 'str'",
        'Exception in thread "main" java.lang.NullPointerException\n\tat com.example.<<w>>.Main.run(Main.java:<<d3>>)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)',
        '127.0.0.1 - - [11/Feb/2024:10:22:31 +0000] "GET /<<w>>/<<d4>> HTTP/1.1" 200 <<d5>> "-" "curl/8.5.0"',
        "[ <<d5>>.<<d6>>] EXT4-fs (nvme0n1p2): mounted filesystem with ordered data mode. Opts: (null). Quota mode: none.",
    ),
    "chemistry": (
        "2 H2O2 -> 2 H2O + O2; caffeine is C8H10N4O2 (CAS 58-08-2, M = 194.19 g/mol), SMILES CN1C=NC2=C1C(=O)N(C(=O)N2C)C",
        "Dilute <<d2>> mL of 0.<<d1>> M NaOH to <<d3>> mL; the pH is about 12.<<d1>>. Boiling point of ethanol: 78.37 °C.",
        "ATGCGT<<d1>> primer 5'-GGATCCATGGCTAGCATGACTGG-3', Tm 62 °C, amplicon <<d3>> bp, gene BRCA1 exon 11",
    ),
    "prose": (
        "Can you explain how photosynthesis works, and why leaves turn red in autumn? Keep it under <<d3>> words.",
        "Write a limerick about a cat that learns to code, and make the last line surprising.",
        "What are the pros and cons of electric cars compared to hybrids when you drive <<d3>> km a week?",
        "Summarise the causes of the First World War in five bullet points for a tenth-grade class.",
        "I have 3 eggs, 200 g of flour and half a litre of milk. What can I bake in <<d2>> minutes at 180 °C?",
        "Please proofread: Their going to the park tomorow, unless it will rain, than they stay home.",
        "Wie funktioniert eine Wärmepumpe, und lohnt sie sich bei einem Haus aus dem Baujahr 1978?",
        "¿Cuál es la diferencia entre por y para? Dame diez ejemplos con la traducción.",
        "Explique-moi la différence entre le passé composé et l'imparfait avec dix exemples.",
        "Spiegami la differenza tra congiuntivo e condizionale con qualche esempio semplice.",
        "Qual a diferença entre juros simples e compostos? Calcule para 1000 reais a 2% ao mês.",
        "请解释一下量子纠缠的基本原理，并举一个生活中的例子。",
        "光合成の仕組みを小学生にもわかるように説明してください。",
        "May I use a semicolon here? Will it read better? Mark the clauses and grace the text with a title.",
        "Give me a weekly workout plan: Monday legs, Tuesday back, Wednesday rest, Thursday chest, Friday cardio.",
        "In chess, why is 1. e4 e5 2. Nf3 Nc6 3. Bb5 so popular, and what does Black play after 3... a6 4. Ba4 Nf6?",
    ),
}


def impersonal_texts(seed: int, rounds: int = ROUNDS) -> Iterator[LabelledMessage]:
    """Every text with other numbers, `rounds` times."""
    draw = random.Random(f"{seed}/impersonal")
    for _ in range(rounds):
        for kind, texts in TEXTS.items():
            for text in texts:
                yield LabelledMessage(_filled(text, draw), (), None, kind)


def _filled(text: str, draw: random.Random) -> str:
    def drawn(found: re.Match[str]) -> str:
        kind, size = found.groups()
        if kind == "m":
            return f"{draw.randint(1, 12):02d}"
        if kind in ("w", "W"):
            word = draw.choice(WORDS)
            return word.capitalize() if kind == "W" else word
        digits = "0123456789abcdef" if kind == "h" else "0123456789"
        first = draw.choice(digits[1:])
        return first + "".join(draw.choice(digits) for _ in range(int(size) - 1))

    return re.sub(r"<<([a-zW])(\d*)>>", drawn, text)
