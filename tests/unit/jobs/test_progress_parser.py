import pytest

from tasuki.jobs.progress_parser import ParsedProgress, parse_progress, split_plain_lines


@pytest.mark.parametrize(
    ("line", "stage", "progress"),
    [
        ("Step 1500/5000 - loss: 0.0234", "Training", 30.0),
        ("epoch 3/10", "Training", 30.0),
        ("Epoch 1/100, Steps: 30%|###| 1500/5000 [..]", "Training", 30.0),
        ("Steps:  30%|███       | 1500/5000 [12:01<28:03,  2.08it/s, loss=0.1]", "Training", 30.0),
        ("step 1,500/5,000", "Training", 30.0),
        ("step 1500 of 5000", "Training", 30.0),
        ("step: 1500/5000", "Training", 30.0),
        ("global step=7/9", "Training", 77.8),
        ("step 5100/5000", "Training", 100.0),
        ("Step [1500/5000]", "Training", 30.0),
        ("checkpoint-500 saved at step 500/1000", "Training", 50.0),
        ("Step 100: loss 0.3", "Training", None),
        ("Starting the next epoch", "Training", None),
        ("Saving checkpoint-500", "Saving checkpoint", None),
        ("Running validation after the epoch", "Validation", None),
        ("Validating 8 prompts", "Validation", None),
        ("warming up the cache", "Warmup", None),
        ("Warmup: loading", "Warmup", None),
        ("Loading weights", "Preprocessing", None),
        ("preprocessing images", "Preprocessing", None),
        ("gradient_checkpointing=True", None, None),
        ("lr_warmup_steps=50", None, None),
        ("Downloading model", None, None),
        ("the cache was invalidated", None, None),
        ("step 1500 2024-01-01", None, None),
        ("step 5/0", None, None),
        ("1500/5000", None, None),
        ("stepped over 3/4", None, None),
    ],
)
def test_one_line_says(line: str, stage: str | None, progress: float | None):
    assert parse_progress(line) == ParsedProgress(stage, line if len(line) <= 80 else line[:77] + "...", progress)


FALSE_FRIENDS = [
    "gradient_checkpointing=True", "lr_warmup_steps=50", "Downloading", "invalidated", "step 1500 2024-01-01", "step 5/0",
]  # fmt: skip


@pytest.mark.parametrize("friend", FALSE_FRIENDS)
def test_false_friends_change_nothing(friend: str):
    for before, stage, progress in [("step 500/1000", "Training", 50.0), ("Loading", "Preprocessing", None)]:
        said = parse_progress(f"{before}\n{friend}\n")
        assert (said.stage, said.progress) == (stage, progress)


def test_steps_beat_epochs_across_the_window_and_the_newest_bar_counts():
    assert parse_progress("step 500/1000\nepoch 9/10\n").progress == 50.0
    assert parse_progress("Steps: 10%|#| 1/10\rSteps: 20%|##| 2/10\rSteps: 30%|###| 3/10\r").progress == 30.0
    assert parse_progress("step 1/10\nstep 2/10\nnothing\n").progress == 20.0


def test_a_checkpoint_keeps_the_progress():
    assert parse_progress("step 500/1000\nSaving checkpoint\n") == ParsedProgress("Saving checkpoint", "Saving checkpoint", 50.0)


def test_only_the_last_50_lines_count_and_a_bar_is_one_line():
    assert parse_progress("step 500/1000\n" + "x\n" * 49).progress == 50.0
    assert parse_progress("step 500/1000\n" + "x\n" * 50).progress is None
    assert parse_progress("step 500/1000\n" + "bar\r" * 500 + "\n").progress == 50.0


def test_the_last_line_has_80_characters_and_no_escape_codes():
    said = parse_progress("\x1b[31m\x1b]0;title\x07" + "é" * 100 + "\x1b[0m\x1b[A\n")
    assert said.last_log == "é" * 77 + "..."
    assert parse_progress("é" * 80).last_log == "é" * 80
    assert parse_progress("\x1b[2K\r\n \n") == ParsedProgress()
    assert split_plain_lines("a\x00b\x1b[1;31mc\x1b[0m") == ["abc"]


def test_huge_numbers_are_read_or_passed_over():
    assert parse_progress(f"step {'9' * 5000}/{'9' * 5000}").progress == 100.0
