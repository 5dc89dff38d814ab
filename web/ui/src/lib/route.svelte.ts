/** The address bar: pages are paths, so they can be kept, shared and gone back to. */
export const route = $state({ path: location.pathname });

export function go(path: string, replace = false): void {
  if (path === location.pathname) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', path);
  route.path = path;
}

addEventListener('popstate', () => {
  route.path = location.pathname;
});

/** For links: goes without loading the page anew, unless another window was asked for. */
export function follow(event: MouseEvent): void {
  const link = event.currentTarget;
  if (!(link instanceof HTMLAnchorElement) || event.button !== 0) return;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.pathname);
}
