'use strict';
// A form is sent once by a double click.
for (const form of document.forms) {
  let sent = -Infinity;
  form.addEventListener('submit', (event) => {
    if (event.timeStamp - sent < 2000) event.preventDefault();
    else sent = event.timeStamp;
  });
}
// Copy buttons. Without this script they stay hidden, and a click on the text
// selects the whole of it.
for (const button of document.querySelectorAll('button[data-copy]')) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  button.setAttribute('aria-live', 'polite');
  button.hidden = !navigator.clipboard;
  button.addEventListener('click', async () => {
    const lines = [...source.querySelectorAll('li')].map((line) => line.textContent.trim());
    await navigator.clipboard.writeText(lines.length ? lines.join('\n') : source.textContent.trim());
    button.textContent = button.dataset.done;
    setTimeout(() => { button.textContent = label; }, 3000);
  });
}
