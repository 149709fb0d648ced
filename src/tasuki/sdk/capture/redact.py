"""Text without secrets: what looks like a key, a token or a password is masked before it is recorded."""

import re
from collections.abc import Sequence

__all__ = ["redact_arguments", "redact_text"]

MASK = "***"
SECRET_WORDS = r"(?:api[_-]?key|access[_-]?key|secret|token(?![a-z])|passw(?:or)?d|credential|private[_-]?key)[\w.-]{0,40}"
SECRET_ASSIGNMENT = re.compile(
    rf"""(?ix) ({SECRET_WORDS}["']? (?: =(?=\S) | \s?:\s? | \s?=>?\s?(?=["']) )) (["']?) ([^\s"',;)\]}}]{{4,}}) """
)
"""A name that says that its value is secret, and the value; not `token = batch[0]`, which is code."""
KNOWN_SECRET = re.compile(
    r"""(?x)
    -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----[\s\S]{0,5000}?(?:-----END\ [A-Z ]{0,20}PRIVATE\ KEY-----|\Z)
    | -----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----[\s\S]{0,5000}
    | \b (?: (?: hf_ | r8_ | gh[pousr]_ ) [A-Za-z0-9]{20,} | (?: sk- | glpat- | github_pat_ | xox[abprs]- ) [\w-]{10,}
          | AKIA[0-9A-Z]{16} | tsk_[0-9a-f]{12}_[\w-]{20,} | eyJ[\w-]{20,2000} \. [\w-]+ \. [\w-]+ )
    """
)
URL_PASSWORD = re.compile(r"(?<=://)[^\s/@:]{0,200}:[^\s/@:]{1,200}(?=@)")
SECRET_OPTION = re.compile(rf"(?i)--?[\w.-]{{0,40}}{SECRET_WORDS}")
SECRET_FILES = re.compile(
    r"(?i)(?:^|/)(?:\.env[\w.-]*|\.netrc|\.npmrc|\.pypirc|id_(?:rsa|dsa|ecdsa|ed25519)|credentials[\w.-]*|.*\.(?:pem|key|p12|pfx))$"
)
DIFF_FILE_HEADER = re.compile(r"^diff --git a/(.*?) b/", re.MULTILINE)


def redact_text(text: str) -> str:
    """The text with its secrets masked; of a diff, the files that hold nothing but secrets are left out."""
    parts = re.split(r"(?m)^(?=diff --git )", text)
    kept = [
        part if not (found := DIFF_FILE_HEADER.match(part)) or not SECRET_FILES.search(found[1]) else build_omitted_file(found)
        for part in parts
    ]
    return mask_secrets("".join(kept))


def build_omitted_file(header: "re.Match[str]") -> str:
    """Build the text that replaces a file of secrets."""
    return f"diff --git a/{header[1]} b/{header[1]}\n({MASK} left out: it may hold secrets)\n"


def mask_secrets(text: str) -> str:
    """The text with values that look like secrets masked."""
    text = URL_PASSWORD.sub(MASK, KNOWN_SECRET.sub(MASK, text))
    return SECRET_ASSIGNMENT.sub(lambda found: f"{found[1]}{found[2]}{MASK}", text)


def redact_arguments(arguments: Sequence[str]) -> list[str]:
    """A command line without the values of options that name a secret."""
    found: list[str] = []
    hide = False
    for argument in arguments:
        found.append(MASK if hide and not argument.startswith("-") else mask_secrets(argument))
        hide = SECRET_OPTION.fullmatch(argument) is not None
    return found
