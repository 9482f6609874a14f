// A relying party twice: on goth, as Forgejo, Gitea and OpenGist use it, and on go-oidc with x/oauth2, as Coder and
// Headscale do, there with PKCE.
//
// usage: relying_party ISSUER CLIENT_ID CLIENT_SECRET PORT
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"

	oidc "github.com/coreos/go-oidc"
	"github.com/markbates/goth"
	"github.com/markbates/goth/providers/openidConnect"
	"golang.org/x/oauth2"
)

func main() {
	issuer, id, secret, port := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	origin := "http://127.0.0.1:" + port

	provider, err := openidConnect.New(id, secret, origin+"/goth/callback",
		issuer+"/.well-known/openid-configuration", "openid", "profile", "email", "groups")
	check(err)
	goth.UseProviders(provider)
	var session goth.Session
	http.HandleFunc("/goth/login", func(w http.ResponseWriter, r *http.Request) {
		session, err = provider.BeginAuth("the-state")
		check(err)
		url, err := session.GetAuthURL()
		check(err)
		http.Redirect(w, r, url, http.StatusFound)
	})
	http.HandleFunc("/goth/callback", func(w http.ResponseWriter, r *http.Request) {
		if _, err := session.Authorize(provider, r.URL.Query()); err != nil {
			fail(w, err)
			return
		}
		user, err := provider.FetchUser(session)
		if err != nil {
			fail(w, err)
			return
		}
		answer(w, map[string]any{"email": user.Email, "name": user.Name, "nickname": user.NickName, "raw": user.RawData})
	})

	op, err := oidc.NewProvider(oauth2.NoContext, issuer)
	check(err)
	config := oauth2.Config{
		ClientID: id, ClientSecret: secret, Endpoint: op.Endpoint(), RedirectURL: origin + "/go-oidc/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile", "email", "groups", "offline_access"},
	}
	const verifier = "a-code-verifier-of-more-than-forty-three-letters-0123456789"
	http.HandleFunc("/go-oidc/login", func(w http.ResponseWriter, r *http.Request) {
		url := config.AuthCodeURL("the-state", oidc.Nonce("the-nonce"),
			oauth2.SetAuthURLParam("code_challenge", s256(verifier)),
			oauth2.SetAuthURLParam("code_challenge_method", "S256"))
		http.Redirect(w, r, url, http.StatusFound)
	})
	http.HandleFunc("/go-oidc/callback", func(w http.ResponseWriter, r *http.Request) {
		token, err := config.Exchange(r.Context(), r.URL.Query().Get("code"),
			oauth2.SetAuthURLParam("code_verifier", verifier))
		if err != nil {
			fail(w, err)
			return
		}
		raw, _ := token.Extra("id_token").(string)
		idToken, err := op.Verifier(&oidc.Config{ClientID: id}).Verify(r.Context(), raw)
		if err != nil {
			fail(w, err)
			return
		}
		var claims map[string]any
		check(idToken.Claims(&claims))
		info, err := op.UserInfo(r.Context(), config.TokenSource(r.Context(), token))
		if err != nil {
			fail(w, err)
			return
		}
		answer(w, map[string]any{"nonce": idToken.Nonce, "claims": claims, "sub": info.Subject, "email": info.Email})
	})

	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	check(err)
	fmt.Println("ready")
	check(http.Serve(listener, nil))
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	check(json.NewEncoder(w).Encode(value))
}

func fail(w http.ResponseWriter, err error) {
	http.Error(w, err.Error(), http.StatusInternalServerError)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// RFC 7636 §4.2.
func s256(verifier string) string {
	digest := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(digest[:])
}
