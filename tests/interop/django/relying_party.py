"""A relying party on mozilla-django-oidc with the settings that linkding uses.

usage: relying_party.py ISSUER CLIENT_ID CLIENT_SECRET PORT
"""

import sys

import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import include, path

issuer, client_id, client_secret, port = sys.argv[1:5]

settings.configure(
    SECRET_KEY="only for this test",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "mozilla_django_oidc",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    SESSION_SERIALIZER="django.contrib.sessions.serializers.JSONSerializer",
    AUTHENTICATION_BACKENDS=["mozilla_django_oidc.auth.OIDCAuthenticationBackend"],
    LOGIN_REDIRECT_URL="/who",
    OIDC_OP_AUTHORIZATION_ENDPOINT=f"{issuer}/authorize",
    OIDC_OP_TOKEN_ENDPOINT=f"{issuer}/api/oidc/token",
    OIDC_OP_USER_ENDPOINT=f"{issuer}/api/oidc/userinfo",
    OIDC_OP_JWKS_ENDPOINT=f"{issuer}/.well-known/jwks.json",
    OIDC_RP_CLIENT_ID=client_id,
    OIDC_RP_CLIENT_SECRET=client_secret,
    OIDC_RP_SIGN_ALGO="RS256",
    OIDC_RP_SCOPES="openid email profile",
    OIDC_USE_PKCE=True,
    OIDC_USERNAME_ALGO=lambda email, claims: claims["preferred_username"],
)
django.setup()


def who(request):
    user = request.user
    return JsonResponse({"username": user.get_username(), "email": user.email})


urlpatterns = [path("oidc/", include("mozilla_django_oidc.urls")), path("who", who)]

if __name__ == "__main__":
    from django.core.management import call_command
    from django.core.servers.basehttp import WSGIServer, WSGIRequestHandler
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    server = WSGIServer(("127.0.0.1", int(port)), WSGIRequestHandler)
    server.set_app(get_wsgi_application())
    print("ready", flush=True)
    server.serve_forever()
