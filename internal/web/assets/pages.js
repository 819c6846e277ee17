// Copy buttons. Without this script they stay hidden, and a click on the text
// selects the whole of it.
'use strict';
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
