// OAuth 2.0 Form Post Response Mode: the form submits itself; without this, its button does.
document.getElementById("form-post").submit();
