/** Logging in: the token is entered once, and kept by the browser in a cookie that no script can read. */
import { ApiError, logIn } from "./api.js";
import { html, signal } from "./html.js";

const wrong = signal("");

async function submit(event) {
  event.preventDefault();
  wrong.value = "";
  try {
    await logIn(new FormData(event.target).get("token").trim());
    location.reload();
  } catch (error) {
    wrong.value = error instanceof ApiError ? error.message : "that can't be a token";
  }
}

export function Login() {
  return html`<main class="welcome">
    <h1>This server needs a token</h1>
    <p>Whoever runs it makes one: <code>tasuki token create --read PROJECT</code></p>
    <form class="login" onSubmit=${submit}>
      <label>Token <input name="token" type="password" autocomplete="current-password" required autofocus /></label>
      <button type="submit">Log in</button>
    </form>
    ${wrong.value && html`<p class="problem" role="alert">${wrong.value}</p>`}
  </main>`;
}
