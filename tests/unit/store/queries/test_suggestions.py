from tasuki.store import suggest_names


def test_the_nearest_names_come_first():
    assert suggest_names("tran/loss", ["val/acc", "train/loss", "lr"]).startswith("there are train/loss, ")


def test_all_are_named_if_they_are_few():
    assert sorted(suggest_names("x", ["b", "a"]).removeprefix("there are ").split(", ")) == ["a", "b"]


def test_of_many_the_number_is_said():
    assert suggest_names("run-77", [f"run-{n}" for n in range(100)]).startswith("there are run-77, ")
    assert suggest_names("run-77", [f"run-{n}" for n in range(100)]).endswith(" and 90 more; the nearest come first")
