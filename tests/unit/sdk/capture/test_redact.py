import time

import pytest

from tasuki.sdk.capture.redact import redact_arguments, redact_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api_key = 'abcdef123456'", "api_key = '***'"),
        ('"password": "hunter22"', '"password": "***"'),
        ("export AWS_SECRET_ACCESS_KEY=abcd/efgh+1", "export AWS_SECRET_ACCESS_KEY=***"),
        ("https://ada:pa55word@example.org/x", "https://***@example.org/x"),
        (f"x = hf_{'a' * 24}", "x = ***"),
        (f"tsk_{'a' * 12}_{'b' * 43}", "***"),
        ("-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n+z", "***\n+z"),
        ("token: abcd1234", "token: ***"),
        ("tokenizer = AutoTokenizer(x); max_tokens=4096; token = batch[0]",) * 2,
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str):
    assert redact_text(text) == expected


@pytest.mark.parametrize("piece", ["x", "a.b-c", "token='", "-----BEGIN A PRIVATE KEY-----\n", "http://a:", "eyJ", "api_key"])
def test_no_text_takes_long(piece: str):
    """A long word cost seconds once, in which no other thread could run: so nothing here may grow faster than the text."""
    text = piece * (100_000 // len(piece))
    began = time.perf_counter()
    redact_text(text[:10_000])
    small = time.perf_counter() - began
    began = time.perf_counter()
    redact_text(text)
    assert time.perf_counter() - began < max(40 * small, 0.2)


def test_files_of_secrets_are_left_out_of_a_diff_and_the_others_stay():
    kept = "diff --git a/x.py b/x.py\n+a\n", "diff --git a/y.py b/y.py\n+c\n"
    secret = "diff --git a/k/id_rsa b/k/id_rsa\n+b\n"
    left_out = "diff --git a/k/id_rsa b/k/id_rsa\n(*** left out: it may hold secrets)\n"
    assert redact_text(secret.join(kept)) == left_out.join(kept)


def test_values_of_options_that_name_a_secret_are_masked():
    given = ["train.py", "--token", "abcd", "--lr", "1", "--api-key=abcd1234", "--password", "--verbose"]
    found = ["train.py", "--token", "***", "--lr", "1", "--api-key=***", "--password", "--verbose"]
    assert redact_arguments(given) == found
