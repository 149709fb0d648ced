from tasuki.store import there_are


def test_the_nearest_names_come_first():
    assert there_are("tran/loss", ["val/acc", "train/loss", "lr"]).startswith("there are train/loss, ")


def test_all_are_named_if_they_are_few():
    assert sorted(there_are("x", ["b", "a"]).removeprefix("there are ").split(", ")) == ["a", "b"]


def test_of_many_the_number_is_said():
    assert there_are("run-77", [f"run-{n}" for n in range(100)]).startswith("there are run-77, ")
    assert there_are("run-77", [f"run-{n}" for n in range(100)]).endswith(" and 90 more; the nearest come first")
