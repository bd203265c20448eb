from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.warehouse.secrets import MASK, without_secrets

#: Text that no message contains by chance, so that finding a part of it means that it leaked.
CANARY = "Zq7Kx"
#: Anything a password may contain in a URL that a program accepts, percent-encoded or not.
URL_PASSWORDS = st.text(string.ascii_letters + string.digits + "/:!$&'()*+,;=%~._-@", max_size=8)
PASSWORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
SECRET_KEYS = st.sampled_from(
    [
        *("password", "PASSWORD", "sslpassword", "motherduck_token", "token", "Pwd", "api_key"),
        *("AccountKey", "s3_secret_access_key", "client_secret", "X-Amz-Signature", "sig"),
    ]
)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("https://me:pw@host/a.parquet", "https://***@host/a.parquet"),
        ("https://me:p/w@host/a.parquet", "https://***@host/a.parquet"),
        ("https://me:p@w@host/a.parquet", "https://***@host/a.parquet"),
        ("https://me:p?w#x@host/a.parquet", "https://***"),
        ("https://key@host/a.parquet", "https://***@host/a.parquet"),
        ("s3://bucket/a.parquet?X-Amz-Signature=1&b=2", "s3://bucket/a.parquet?***"),
        ("https://host/a?user=me@example.com&sig=1", "https://***"),
        ("https://host/a#token=1", "https://host/a#***"),
        ("https://me:pw@host/a?sig=1", "https://***@host/a?***"),
        ("http://[::1]:8080/a?sig=1", "http://[::1]:8080/a?***"),
        ("http://host:8080/*.parquet", "http://host:8080/*.parquet"),
        ("https://me:p w@host/a, next", "https://***"),
        ("cannot read https://me:p w\nnext line", "cannot read https://***\nnext line"),
        (
            "cannot read 'https://me:pw@h/a?sig=1': not found, what now?",
            "cannot read 'https://***@h/a?***': not found, what now?",
        ),
        ("cannot read 'https://h/a?sig=1': HTTP 403", "cannot read 'https://h/a?***': HTTP 403"),
        ("sc://h:15002: the job failed: no disk", "sc://h:15002: the job failed: no disk"),
        ("jdbc:postgresql://h/db?password=x", "jdbc:postgresql://h/db?***"),
    ],
)
def test_urls_lose_passwords_queries_and_fragments(shown: str, expected: str) -> None:
    assert without_secrets(shown) == expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("dbname=lake password=pw user=me", "dbname=lake password=*** user=me"),
        ("dbname=lake PASSWORD = 'p w' user=me", "dbname=lake PASSWORD = *** user=me"),
        (r"password='it\'s' user=me", "password=*** user=me"),
        (r"password=p\ w user=me", "password=*** user=me"),
        ("sslpassword=pw host=h", "sslpassword=*** host=h"),
        ("password='never closed user=me", "password=***"),
        ("password='' user=me", "password=*** user=me"),
        ("attach 'postgres:password=''p w'' user=me'", "attach 'postgres:password=*** user=me'"),
        ("Server=h;Password=p w;Database=d", "Server=h;Password=***Database=d"),
        ("Server=h;PWD={p;w}};Database=d}", "Server=h;PWD=***"),
        ("md:sales?motherduck_token=abc", "md:sales?motherduck_token=***"),
        ("catalog#token=abc", "catalog#token=***"),
        ("token%3Dabc", "token%3D***"),
        ("create secret (type s3, key_id 'a', secret 'b')", None),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("me:pw@host/db", "***@host/db"),
        ("me:p/w@host/db", "***@host/db"),
        ("password: hunter2", "password: ***"),
        ("f(secret => 'p w', region => 'x')", "f(secret => ***, region => 'x')"),
        ("f(secret := 'p w', region := 'x')", "f(secret := ***, region := 'x')"),
        ("secret == 'p w' and region == 'x'", "secret == *** and region == 'x'"),
        ('{"password": "p\\"w", "user": "me"}', '{"password": ***, "user": "me"}'),
    ],
)
def test_connection_strings_lose_their_secrets(shown: str, expected: str | None) -> None:
    expected = expected or "create secret (type s3, key_id ***, secret ***)"
    assert without_secrets(shown) == expected


@pytest.mark.parametrize("quote", ["'", '"', "`", '\\"'])
@pytest.mark.parametrize(
    "value", ["postgres:host=h password=pw", "Server=h;Pwd=p w", "a.csv?sig=1"]
)
@pytest.mark.parametrize(
    "after", [" is not allowed; it is a path", ": not found", "), next; x", ""]
)
def test_a_masked_value_ends_with_the_quotes_that_it_is_in(
    quote: str, value: str, after: str
) -> None:
    key = value.rpartition("=")[0]
    shown = without_secrets(f"inputs.sales: {quote}{value}{quote}{after}")
    assert shown == f"inputs.sales: {quote}{key}=***{quote}{after}"


def test_a_quote_within_a_password_does_not_end_it() -> None:
    shown = without_secrets("'host=h password=ab',cd user=me' is not allowed")
    assert shown == "'host=h password=*** user=me' is not allowed"


@pytest.mark.parametrize(
    "text",
    [
        "data/sales/*.parquet",
        "what? no URL",
        "s3://bucket/folder/a.parquet",
        "expected token 'end of print statement', got 'x'",
        "syntax error: unexpected token: x",
        'password authentication failed for user "me"',
        "dbname=lake host=localhost port=5432",
        "design=new",
        "12:30:00  Finished running 3 table models",
    ],
)
def test_a_text_without_a_secret_is_not_changed(text: str) -> None:
    assert without_secrets(text) == text


@given(st.text(st.characters(exclude_characters=":=%@\"'`", exclude_categories=["Cs"])))
def test_prose_is_not_changed(text: str) -> None:
    if "bearer" not in text.lower():
        assert without_secrets(text) == text


def test_values_of_secret_keys_and_nested_values_are_masked() -> None:
    given_value = {"a": ["https://k@h/x", 3, None, True], "motherduck_token": "abc", "token": None}
    expected = {"a": ["https://***@h/x", 3, None, True], "motherduck_token": MASK, "token": None}
    assert without_secrets(given_value) == expected


@given(URL_PASSWORDS, st.sampled_from(["{}", "'{}'", '"{}": HTTP 403', "a {} b", "({})", "<{}>"]))
def test_no_part_of_a_password_in_a_url_is_shown(password: str, sentence: str) -> None:
    url = f"https://me:{CANARY}{password}{CANARY}@host/a.parquet?sig={CANARY}#{CANARY}"
    assert CANARY not in without_secrets(sentence.format(url))


@given(st.text(string.printable, max_size=20))
def test_no_signature_is_shown_whatever_surrounds_it(text: str) -> None:
    assert CANARY not in without_secrets(f"{text} s3://bucket/a?sig={CANARY}")


@given(SECRET_KEYS, PASSWORDS, st.sampled_from(["=", " = ", "=\t"]))
def test_no_quoted_value_of_libpq_is_shown(key: str, password: str, equals: str) -> None:
    value = f"{CANARY}{password}{CANARY}".replace("\\", "\\\\").replace("'", "\\'")
    text = f"postgres:host=h {key}{equals}'{value}' user=me"
    assert CANARY not in without_secrets(text)


@given(SECRET_KEYS, PASSWORDS.filter(lambda text: not any(map(str.isspace, text))))
def test_no_bare_value_is_shown(key: str, password: str) -> None:
    text = f"host=h {key}={CANARY}{password}{CANARY} user=me"
    assert CANARY not in without_secrets(text)


@given(
    SECRET_KEYS,
    PASSWORDS.filter(lambda text: not any(map(str.isspace, text))),
    st.sampled_from(["'{}' is not allowed; it is a path", '"{}": x', '["{}", "{}"]', "it's {}"]),
)
def test_no_bare_value_in_quotes_is_shown(key: str, password: str, sentence: str) -> None:
    text = f"host=h {key}={CANARY}{password}{CANARY}"
    assert CANARY not in without_secrets(sentence.replace("{}", text))


@given(SECRET_KEYS, PASSWORDS)
def test_no_value_in_json_is_shown(key: str, password: str) -> None:
    value = {"list": [{key: f"{CANARY}{password}{CANARY}"}]}
    assert CANARY not in json.dumps(without_secrets(value))
    assert CANARY not in without_secrets(json.dumps(value))
    assert CANARY not in without_secrets(json.dumps(json.dumps(value)))


@given(st.text(max_size=200))
def test_every_text_is_masked_without_an_error_and_once_is_enough(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once
