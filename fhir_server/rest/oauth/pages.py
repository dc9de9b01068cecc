"""The pages of an authorization: sign in, give or refuse, and what went wrong. No script, no style, nothing from outside.

What came from outside (the app's name, scopes) is escaped; the browser may load nothing and nobody may frame it.
https://developer.mozilla.org/en-US/docs/Web/HTTP/CSP
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from urllib.parse import urlsplit

from fhir_server.access.scopes import Scope, parse_scope
from fhir_server.rest.response import Outgoing

_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "{head}<title>{title}</title></head><body><main><h1>{title}</h1>{body}</main></body></html>"
)
_LETTERS = {"c": "create", "r": "read", "u": "change", "d": "delete", "s": "search"}
_WHOSE = {"patient": "of the patient", "user": "that you may see", "system": "of the server"}
_PLAIN = {
    "openid": "know who you are",
    "fhirUser": "know which resource describes you",
    "profile": "know which resource describes you",
    "offline_access": "keep its access for 30 days while you are away",
    "online_access": "keep its access for 12 hours",
}


def sign_in(next_path: str) -> Outgoing:
    """A name and a password; then on to the request."""
    form = (
        f'<form method="post" action="/auth/login"><input type="hidden" name="next" value="{escape(next_path)}">'
        '<p><label>Name <input name="username" autocomplete="username" required></label></p>'
        '<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>'
        "<p><button>Sign in</button></p></form>"
    )
    return _page("Sign in", form)


def again(path: str) -> Outgoing:
    """Asks the browser to come again by itself: the session's cookie is only sent from one of our own pages."""
    link = f'<p><a href="{escape(path)}">Continue</a></p>'
    return _page("One moment", link, f'<meta http-equiv="refresh" content="0;url={escape(path)}">')


def consent(app: str, who: str, scope: str, query: str, redirect_uri: str, *, ask_patient: bool) -> Outgoing:
    """Give the app what it asks, or not."""
    wishes = "".join(f"<li>{escape(line)}</li>" for line in in_words(scope.split()))
    patient = '<p><label>Patient (id) <input name="patient" required></label></p>' if ask_patient else ""
    form = (
        f"<p>You are signed in as {escape(who)}. The app wants to:</p><ul>{wishes}</ul>"
        f'<form method="post" action="/auth/authorize"><input type="hidden" name="request" value="{escape(query)}">{patient}'
        '<p><button name="decision" value="allow">Allow</button> '
        '<button name="decision" value="deny" formnovalidate>Refuse</button></p></form>'
    )
    return _page(f"{app} asks for access", form, goes_to=redirect_uri)


def failed(text: str) -> Outgoing:
    """An error that must not go to an address that nobody has checked."""
    return _page("This cannot be done", f"<p>{escape(text)}</p>", status=400)


def in_words(scopes: Iterable[str]) -> list[str]:
    """What each scope lets the app do."""
    return [line for text in scopes if (line := _in_words(text))]


def _in_words(text: str) -> str:
    scope = parse_scope(text)
    return _resources(scope) if scope else _PLAIN.get(text, "")


def _resources(scope: Scope) -> str:
    verbs = ", ".join(word for letter, word in _LETTERS.items() if letter in scope.letters)
    kind = "all data" if scope.type == "*" else scope.type
    limit = f" (only {scope.query})" if scope.query else ""
    return f"{verbs}: {kind} {_WHOSE[scope.context]}{limit}"


def _page(title: str, body: str, head: str = "", *, goes_to: str = "", status: int = 200) -> Outgoing:
    html = _PAGE.format(title=escape(title), body=body, head=head)
    return Outgoing(status, html.encode(), {"content-type": "text/html; charset=utf-8", **_headers(goes_to)})


def _headers(goes_to: str) -> dict[str, str]:
    """A form's answer may lead to the app and nowhere else."""
    policy = (
        f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {_origin(goes_to)}"
    )
    return {
        "content-security-policy": policy.strip(),
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
    }


def _origin(uri: str) -> str:
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:" if parts.scheme else ""
