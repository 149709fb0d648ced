"""What the benchmarks say of themselves."""

from pathlib import Path

from benchmarks.plot import PLOT_DEFINITIONS
from benchmarks.report import README_PLOT, build_headlines, replace_figures
from benchmarks.suite import BENCHMARKS

ROOT = Path(__file__).resolve().parents[3]
RESULTS, README = ROOT / "benchmarks" / "RESULTS.md", ROOT / "README.md"


def test_the_readme_shows_the_figures_of_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert replace_figures(text, build_headlines(RESULTS.read_text(encoding="utf-8"))) == text


def test_a_plot_that_the_readme_shows_is_there() -> None:
    assert README_PLOT not in README.read_text(encoding="utf-8") or (ROOT / README_PLOT).exists()


def test_every_plot_is_of_a_question() -> None:
    assert {plot.benchmark for plot in PLOT_DEFINITIONS} <= set(BENCHMARKS)


def test_a_plot_is_drawn_of_what_can_be_measured() -> None:
    drawn = PLOT_DEFINITIONS[0].draw("a < b", "µs", [("tasuki 1", 0.9), ("other", 4_700.0)])
    assert "a &lt; b" in drawn
    assert drawn.index("tasuki 1") < drawn.index("other")
    assert "prefers-color-scheme: dark" in drawn


def test_growth_is_drawn_as_a_line_per_answer() -> None:
    drawn = PLOT_DEFINITIONS[-1].draw(
        "growth", "ms", [("best, 10", 1.0), ("best, 1,000", 2.0), ("compare, 10", 1.0), ("compare, 1,000", 1.0)]
    )
    assert drawn.count("<path") == 2
