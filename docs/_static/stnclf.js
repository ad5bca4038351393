// The theme's buttons that fold the list of pages at the left have no names for screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll(".bd-sidenav summary")) {
    const page = button.closest("li").querySelector("a");
    button.setAttribute("aria-label", `Pages below ${page ? page.textContent.trim() : "this one"}`);
  }
});
