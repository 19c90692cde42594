/** Settings that are operations: the application's address, the administrator's password. */
export const SETTINGS = {
  "app-url.title": "Address of the application",
  "app-url.about":
    "What people type to open it. With another one the application starts again, and people may have to log in anew.",
  "app-url.label": "Address",
  "app-url.help": "Such as psa.example.com: https unless you write http",
  "app-url.look": "Look what changes",
  "app-url.plan": "This would change",
  "app-url.from": "From",
  "app-url.to": "To",
  "app-url.restarts": "Starts again",
  "app-url.no-restart": "nothing: the values are in place",
  "app-url.takes": "Takes",
  "app-url.deed": "Change the address",
  "app-url.back": "Not now",
  "app-url.former": "Go back to {url}",
  "app-url.none": "Setup decides the address first.",
  "admin-password.title": "Password of the administrator",
  "admin-password.about":
    "For a forgotten password of {email}, the administrator that setup made. The application sets it; nobody is logged out.",
  "admin-password.not-now": "It cannot be set from here now.",
  "admin-password.new": "New password",
  "admin-password.deed": "Set this password",
} as const;
