"""Text without secrets: what looks like a key, a token or a password is masked before it is recorded."""

import re
from collections.abc import Sequence

__all__ = ["redacted", "redacted_arguments"]

MASK = "***"
WORDS = r"(?:api[_-]?key|access[_-]?key|secret|token(?![a-z])|passw(?:or)?d|credential|private[_-]?key)[\w.-]{0,40}"
ASSIGNED = re.compile(rf"""(?ix) ({WORDS}["']? (?: =(?=\S) | \s?:\s? | \s?=>?\s?(?=["']) )) (["']?) ([^\s"',;)\]}}]{{4,}}) """)
"""A name that says that its value is secret, and the value; not `token = batch[0]`, which is code."""
KNOWN = re.compile(
    r"""(?x)
    -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----[\s\S]{0,5000}?(?:-----END\ [A-Z ]{0,20}PRIVATE\ KEY-----|\Z)
    | -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----[\s\S]{0,5000}
    | \b (?: (?: hf_ | r8_ | gh[pousr]_ ) [A-Za-z0-9]{20,} | (?: sk- | glpat- | github_pat_ | xox[abprs]- ) [\w-]{10,}
          | AKIA[0-9A-Z]{16} | tsk_[0-9a-f]{12}_[\w-]{20,} | eyJ[\w-]{20,2000} \. [\w-]+ \. [\w-]+ )
    """
)
IN_URL = re.compile(r"(?<=://)[^\s/@:]{0,200}:[^\s/@:]{1,200}(?=@)")
OPTION = re.compile(rf"(?i)--?[\w.-]{{0,40}}{WORDS}")
SECRET_FILES = re.compile(
    r"(?i)(?:^|/)(?:\.env[\w.-]*|\.netrc|\.npmrc|\.pypirc|id_(?:rsa|dsa|ecdsa|ed25519)|credentials[\w.-]*|.*\.(?:pem|key|p12|pfx))$"
)
FILE = re.compile(r"^diff --git a/(.*?) b/", re.MULTILINE)


def redacted(text: str) -> str:
    """The text with its secrets masked; of a diff, the files that hold nothing but secrets are left out."""
    parts = re.split(r"(?m)^(?=diff --git )", text)
    kept = [part if not (found := FILE.match(part)) or not SECRET_FILES.search(found[1]) else left_out(found) for part in parts]
    return masked("".join(kept))


def left_out(found: "re.Match[str]") -> str:
    """What stands for a file of secrets."""
    return f"diff --git a/{found[1]} b/{found[1]}\n({MASK} left out: it may hold secrets)\n"


def masked(text: str) -> str:
    """The text with values that look like secrets masked."""
    text = IN_URL.sub(MASK, KNOWN.sub(MASK, text))
    return ASSIGNED.sub(lambda found: f"{found[1]}{found[2]}{MASK}", text)


def redacted_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line without the values of options that name a secret."""
    found: list[str] = []
    hide = False
    for argument in arguments:
        found.append(MASK if hide and not argument.startswith("-") else masked(argument))
        hide = OPTION.fullmatch(argument) is not None
    return found
