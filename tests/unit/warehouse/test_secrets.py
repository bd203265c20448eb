from __future__ import annotations

import json
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.warehouse.secrets import MASK, without_secrets
from tests.integration.helpers import listed_messages

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
        ("dbname=lake PASSWORD = 'p w' user=me", "dbname=lake PASSWORD = '***' user=me"),
        (r"password='it\'s' user=me", "password='***' user=me"),
        (r"password=p\ w user=me", "password=*** user=me"),
        ("sslpassword=pw host=h", "sslpassword=*** host=h"),
        ("password='never closed user=me", "password='***"),
        ("password='' user=me", "password='***' user=me"),
        (
            "attach 'postgres:password=''p w'' user=me'",
            "attach 'postgres:password=''***'' user=me'",
        ),
        ("Server=h;Password=p w;Database=d", "Server=h;Password=***"),
        ("Server=h;PWD={p;w}};Database=d}", "Server=h;PWD={***}"),
        ("md:sales?motherduck_token=abc", "md:sales?motherduck_token=***"),
        ("catalog#token=abc", "catalog#token=***"),
        ("token%3Dabc", "token%3D***"),
        (
            "create secret (type s3, key_id 'a', secret 'b')",
            "create secret (type s3, key_id '***', secret '***')",
        ),
        ("Authorization: Bearer abc", "Authorization: Bearer ***"),
        ("me:pw@host/db", "***@host/db"),
        ("me:p/w@host/db", "***@host/db"),
        ("password: hunter2", "password: ***"),
        ("f(secret => 'p w', region => 'x')", "f(secret => '***', region => 'x')"),
        ("f(secret := 'p w', region := 'x')", "f(secret := '***', region := 'x')"),
        ("secret == 'p w' and region == 'x'", "secret == '***' and region == 'x'"),
        ('{"password": "p\\"w", "user": "me"}', '{"password": "***", "user": "me"}'),
    ],
)
def test_connection_strings_lose_their_secrets(shown: str, expected: str) -> None:
    assert without_secrets(shown) == expected


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        # percent-encoded and escaped
        ("https%3A%2F%2Fu%3Apw%40h%2Fx.csv", "https%3A%2F%2F***%40h%2Fx.csv"),
        ("https%253A%252F%252Fu%253Apw%2540h", "https%253A%252F%252F***%2540h"),
        ("https://proxy/https%3A%2F%2Fh%2Fa%3Fv%3D1", "https://proxy/https%3A%2F%2Fh%2Fa%3F***"),
        ("p%61ssword=pw", "p%61ssword=***"),
        ("%22password%22%3A%22p%20w%22", "%22password%22%3A***"),
        (r"password\u003dpw", r"password\u003d***"),
        ("https://h/a?sig=a%22b%3Ec", "https://h/a?***"),
        # keys and their values
        ("client_secret:pw", "client_secret:***"),
        ("Password\tpw", "Password\t***"),
        (r"Password\tpw", r"Password\t***"),
        ("password:\n  pw\nuser: me", "password:\n  ***\nuser: me"),
        ("password: |-\n  pw\nuser: me", "password: |-\n  ***\nuser: me"),
        ("secret:\n  api_token: pw", "secret:\n  api_token: ***"),
        ("client_secrets:\n  - pw", "client_secrets:\n  - ***"),
        ("auth=pw jwt=pw session=pw db_pass=pw", "auth=*** jwt=*** session=*** db_pass=***"),
        ("sessionid=pw PHPSESSID=pw", "sessionid=*** PHPSESSID=***"),
        ('{"tokens": ["a", ["b"], "c"], "n": 1}', '{"tokens": [***], "n": 1}'),
        ('{"credentials": {"a": {"b": 1}, "c": 2}, "n": 1}', '{"credentials": {***}, "n": 1}'),
        ("authorization=Basic pw", "authorization=Basic ***"),
        ("Authorization: Digest a=b, c=d\nnext", "Authorization: Digest ***\nnext"),
        ("Cookie: a=b; s=pw\nnext", "Cookie: ***\nnext"),
        ("curl -H 'Cookie: a=b; s=pw' host", "curl -H 'Cookie: ***' host"),
        # PEM
        (
            "private_key=-----BEGIN PRIVATE KEY-----\npw\n-----END PRIVATE KEY-----",
            "private_key=***",
        ),
        ("a -----BEGIN RSA PRIVATE KEY-----\npw\n-----END RSA PRIVATE KEY----- b", "a *** b"),
        ("a -----BEGIN PRIVATE KEY-----\npw", "a ***"),
        # URLs
        ("//u:pw@h/x", "//***@h/x"),
        ("me:p@w@host/db", "***@host/db"),
        ("https://h/a.csv;jsessionid=pw", "https://h/a.csv;***"),
        ("sc://h:443/;x-api=pw;token=pw", "sc://h:443/;***"),
        ("sc://h:443/;token=pw cannot be reached", "sc://h:443/;*** cannot be reached"),
        ("https://h/a?sig=1 p2w fails", "https://h/a?*** fails"),
        ("https://h/a?\n  p2w\nproducts: a.csv", "https://h/a?***\nproducts: a.csv"),
        ("cannot read 'https://h/a?sig=1 pw pw': no", "cannot read 'https://h/a?***': no"),
        ("https://hooks.slack.com/services/T0/B0/pw", "https://hooks.slack.com/***"),
        ("https://discord.com/api/webhooks/1/pw", "https://discord.com/api/webhooks/***"),
        ("https://x.webhook.office.com/webhookb2/a@b/In/pw", "https://***"),
        ("https://x.webhook.office.com/webhookb2/pw", "https://x.webhook.office.com/***"),
        ("https://chat.shop.com/hooks/pw: HTTP 403", "https://chat.shop.com/hooks/***: HTTP 403"),
        ("https://api.telegram.org/bot1:pw/send", "https://api.telegram.org/bot***"),
        # advice after a value
        (
            "inputs.sales password=x: unknown input; known ones: sales, products",
            "inputs.sales password=***: unknown input; known ones: sales, products",
        ),
        ("token=x; give another one", "token=***; give another one"),
    ],
)
def test_other_spellings_lose_their_secrets(shown: str, expected: str) -> None:
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


#: Sentences that a secret may be in, in every spelling that is masked.
SPELLINGS = [
    *(f"{key}={{}}" for key in ("password", "authorization", "Cookie", "auth", "jwt", "session")),
    *("sessionid={} b", "client_secret:{}", "Password\t{}", "password:\n  {}", "api_key: >-\n  {}"),
    *("p%61ssword={}", "password%3D{}", "%22token%22%3A%22{}%22", r"token\u003d{}"),
    *("https%3A%2F%2Fu%3A{}%40h%2Fx.csv", "https%253A%252F%252Fu%253A{}%2540h", "//u:{}@h/x"),
    *("https://u:{}@h/x", "https://h/x?v={}", "https://h/x#{}", "https://h/a.csv;v={}"),
    *("'https://h/a?v=b {}'", "http://h/a?\n {}1", "sc://h:443/;x-api={};user_id=me"),
    *("https://hooks.slack.com/services/T/B/{}", "https://discord.com/api/webhooks/1/{}"),
    *("https://a.webhook.office.com/webhookb2/a@b/IncomingWebhook/{}", "https://h/hooks/{}"),
    "key=-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
    *("Authorization: Basic {}", "Authorization: Digest a=b, response={}", "Cookie: a=b; s={}"),
    *('{{"credentials": {{"a": [1], "b": "{}"}}}}', '{{"tokens": ["a", "{}"]}}', "u:p@{}@h/x"),
]
#: Texts without a secret, before and after one.
SURROUNDINGS = ["", "; inputs.sales: ", " is not allowed ", ": no such file; ", "\n", ", a="]


@given(
    st.sampled_from(SPELLINGS),
    st.text(string.ascii_letters + string.digits + "-._~+", max_size=8),
    st.sampled_from(SURROUNDINGS),
    st.sampled_from(SURROUNDINGS),
)
def test_no_secret_is_shown_in_any_spelling(
    spelling: str, secret: str, before: str, after: str
) -> None:
    shown = without_secrets(before + spelling.format(f"{CANARY}{secret}{CANARY}") + after)
    assert CANARY not in shown
    assert without_secrets(shown) == shown


@given(
    st.lists(
        st.sampled_from(
            [
                *("password", "token", "session", "cookie", "=", ":", ": ", "; ", " ", "\n", "\t"),
                *("'", '"', "\\", "''", "{", "}", "[", "]", ",", "@", "//", "https://", "h/", "?"),
                *("%3D", "%20", "%22", "***", "a", "B1", "hooks/", "-----BEGIN", "-----END-----"),
            ]
        ),
        max_size=20,
    ).map("".join)
)
def test_what_is_masked_is_not_changed_again(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once


@pytest.mark.parametrize("placeholder", ["sales", "data/sales-*.csv", "12.5", "it's"])
def test_no_message_of_the_project_is_changed(placeholder: str) -> None:
    for listed in listed_messages():
        message = re.sub("<[^<>]+>", placeholder, listed)
        assert without_secrets(message) == message


@pytest.mark.parametrize(
    "unit",
    [
        *("\\", "'", "password: x ", "'password x=a''", "https://a:b\n", "'https://a?b ", "a:a:,"),
        *("https://a/hooks/'", "hook.", "-----BEGIN ", "%25", "cookie: 'a", "secret:\n", "p={["),
    ],
)
def test_a_long_hostile_text_is_masked_in_the_end(unit: str) -> None:
    assert without_secrets(unit * (1_000_000 // len(unit)))
